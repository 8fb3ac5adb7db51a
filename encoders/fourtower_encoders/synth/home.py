"""Silhouettes of what stands about the house: mugs, bottles, vases, lamps, chairs, pillows, clocks."""

from __future__ import annotations

from fourtower_encoders.synth.parts import BRASS, CHALK, INK, RUBBER, STEEL, WOOD, Part, Shape, crease, line

MUGS: tuple[Shape, ...] = (
    Shape(
        "coffee mug",
        (
            line("M66 40 C92 34 92 76 66 70", 7, "light", 0.15),
            Part("M22 27 L24 80 Q25 90 48 91 Q71 90 72 80 L74 27 Z", form="turned", gloss=0.28, bow=5),
            Part("O 48 27 26 6", "light", "flat"),
            Part("O 48 27.6 23 4.6", (84, 56, 40), "flat"),
        ),
    ),
    Shape(
        "teacup",
        (
            Part("O 50 83 40 7.5", "light", gloss=0.2),
            Part("O 50 82 26 4", "crease"),
            line("M76 46 C98 42 94 70 72 68", 5.5, "light", 0.15),
            Part("M16 40 C17 68 32 83 42 84 L58 84 C68 83 83 68 84 40 Z", form="turned", gloss=0.28, bow=5),
            Part("O 50 40 34 6.5", "light", "flat"),
            Part("O 50 40.8 30.5 5", (150, 90, 44), "flat"),
        ),
    ),
    Shape(
        "latte mug",
        (
            line("M64 34 C86 30 82 62 61 60", 6, "strong", 0.15),
            Part(
                "M26 14 C28 44 34 60 34 80 Q35 90 48 91 Q61 90 62 80 C62 60 68 44 70 14 Z",
                form="turned",
                gloss=0.28,
                bow=4,
            ),
            Part("O 48 14 22 5", "light", "flat"),
            Part("O 48 14.5 19.5 3.9", (214, 184, 148), "flat"),
        ),
    ),
)

BOTTLES: tuple[Shape, ...] = (
    Shape(
        "carafe",
        (
            Part(
                "M44 16 L56 16 L57 36 C58 46 71 46 71 60 L71 84 Q70 91 50 91 Q30 91 29 84 L29 60 C29 46 42 46 43 36 Z",
                form="turned",
                gloss=0.35,
                bow=4,
            ),
            Part("R 43 13 57 19 1.5", "light", "turned"),
            Part("R 45 6 55 15 2", (196, 152, 104), "turned"),
        ),
    ),
    Shape(
        "water bottle",
        (
            line("M42 18 C42 2 58 2 58 18", 3, RUBBER),
            Part(
                "M40 26 L60 26 Q68 28 68 38 L68 84 Q67 91 50 91 Q33 91 32 84 L32 38 Q32 28 40 26 Z",
                form="turned",
                gloss=0.35,
                bow=3,
            ),
            Part("R 38 14 62 27 3", RUBBER, "turned", gloss=0.2),
            Part("M32 80 Q50 84 68 80 L68 84 Q67 91 50 91 Q33 91 32 84 Z", STEEL, "turned", gloss=0.3),
        ),
    ),
    Shape(
        "thermos",
        (
            line("M70 38 C86 38 86 70 70 70", 4.5, RUBBER),
            Part("R 28 28 72 91 6", form="turned", gloss=0.3, bow=3),
            Part("M32 12 Q50 8 68 12 L70 30 Q50 34 30 30 Z", STEEL, "turned", gloss=0.35),
            Part("M28 84 Q50 88 72 84 L72 87 Q70 92 50 92 Q30 92 28 87 Z", STEEL, "turned", gloss=0.3),
            Part("M28 30 Q50 35 72 30 L72 34 Q50 39 28 34 Z", STEEL, "turned", gloss=0.3),
        ),
    ),
)

VASES: tuple[Shape, ...] = (
    Shape(
        "amphora",
        (
            line("M43 22 C24 20 22 40 33 46 M57 22 C76 20 78 40 67 46", 3.6, "strong", 0.15),
            Part(
                "M41 12 L59 12 C58 24 56 30 59 36 C78 44 80 62 66 80 L62 90 Q50 92 38 90 "
                "L34 80 C20 62 22 44 41 36 C44 30 42 24 41 12 Z",
                form="turned",
                gloss=0.3,
                bow=5,
            ),
            Part("O 50 12 10.5 2.8", "light", "flat"),
            Part("O 50 12.2 8 1.9", INK, "flat"),
        ),
    ),
    Shape(
        "bud vase",
        (
            line("M50 44 Q47 24 40 12 M50 44 Q53 24 60 8 M50 44 Q60 32 72 24", 1.4, (86, 122, 66)),
            Part(
                "M47 30 Q36 28 34 20 Q44 20 47 30 Z M53 26 Q62 26 66 18 Q56 17 53 26 Z "
                "M56 36 Q66 40 74 34 Q66 29 56 36 Z",
                (104, 148, 82),
            ),
            Part("O 39 11 5 5 O 61 8 4.6 4.6 O 73 23 4.6 4.6", (250, 214, 196)),
            Part(
                "M44 42 L56 42 C56 54 66 58 67 72 Q67 90 50 91 Q33 90 33 72 C34 58 44 54 44 42 Z",
                form="turned",
                gloss=0.35,
                bow=4,
            ),
            Part("O 50 42 6.5 1.8", "light", "flat"),
        ),
    ),
    Shape(
        "bowl vase",
        (
            Part(
                "M34 24 Q50 28 66 24 C64 32 66 34 70 37 C90 46 92 72 68 88 Q50 93 32 88 "
                "C8 72 10 46 30 37 C34 34 36 32 34 24 Z",
                form="turned",
                gloss=0.3,
                bow=7,
            ),
            Part("O 50 24 17 4.4", "light", "flat"),
            Part("O 50 24.4 14 3.2", INK, "flat"),
        ),
    ),
)

LAMPS: tuple[Shape, ...] = (
    Shape(
        "table lamp",
        (
            line("M50 50 L50 62", 3, BRASS, 0.3),
            Part(
                "M44 60 Q50 58 56 60 C56 66 66 68 66 77 Q66 86 50 87 Q34 86 34 77 C34 68 44 66 44 60 Z",
                "strong",
                "turned",
                gloss=0.3,
            ),
            Part("R 38 84 62 90 2", BRASS, gloss=0.25),
            Part("M35 10 Q50 13 65 10 L83 52 Q50 60 17 52 Z", form="turned", bow=7),
        ),
    ),
    Shape(
        "floor lamp",
        (
            line("M50 34 L50 58", 2.6, BRASS, 0.3),
            line("M50 56 L30 91 M50 56 L70 91 M50 56 L52 90", 3, WOOD),
            Part("O 50 57 4 3", BRASS, gloss=0.3),
            Part("M33 7 Q50 9 67 7 L71 38 Q50 43 29 38 Z", form="turned", bow=5),
        ),
    ),
    Shape(
        "pendant lamp",
        (
            line("M50 2 L50 24", 1.6, INK),
            Part("R 45 20 55 31 2", BRASS, "turned", gloss=0.3),
            Part("O 50 70 12 9", (255, 232, 150), gloss=0.5),
            Part(
                "M44 28 L56 28 C72 32 90 44 91 68 Q50 77 9 68 C10 44 28 32 44 28 Z",
                form="turned",
                gloss=0.15,
                bow=8,
            ),
        ),
        stands=False,
    ),
)

CHAIRS: tuple[Shape, ...] = (
    Shape(
        "armchair",
        (
            line("M24 80 L21 91 M76 80 L79 91", 4, WOOD),
            Part("M24 60 C20 24 30 14 50 14 C70 14 80 24 76 60 Z"),
            Part("R 22 64 78 84 5"),
            Part("R 25 53 75 68 7"),
            Part("R 10 44 27 84 8"),
            Part("R 73 44 90 84 8"),
            Part("O 42 34 1.4 1.4 O 58 34 1.4 1.4 O 50 26 1.4 1.4 O 50 42 1.4 1.4", "crease"),
        ),
    ),
    Shape(
        "dining chair",
        (
            line("M31 12 L27 66 M69 12 L73 66", 3.4, WOOD),
            line("M30 60 L27 84 M70 60 L73 84", 3, (122, 82, 50)),
            line("M21 64 L18 92 M79 64 L82 92", 3.8, WOOD),
            Part("M28 10 Q50 5 72 10 L70 46 Q50 50 30 46 Z"),
            Part("M27 54 L73 54 Q83 62 83 67 Q50 73 17 67 Q17 62 27 54 Z"),
        ),
    ),
    Shape(
        "stool",
        (
            line("M34 44 L32 84 M66 44 L68 84", 3, (122, 82, 50)),
            line("M27 44 L20 92 M73 44 L80 92", 4, WOOD),
            line("M24 72 L76 72", 2.6, WOOD),
            Part("M15 34 L15 44 Q16 53 50 53 Q84 53 85 44 L85 34 Z", form="turned", bow=5),
            Part("O 50 34 35 11"),
        ),
    ),
)

PILLOWS: tuple[Shape, ...] = (
    Shape(
        "throw pillow",
        (
            Part("M11 13 Q50 22 89 13 Q80 50 89 87 Q50 78 11 87 Q20 50 11 13 Z"),
            line("M11 13 Q50 22 89 13 Q80 50 89 87 Q50 78 11 87 Q20 50 11 13 Z", 1.8, "strong"),
            crease("M18 20 Q24 28 28 28 M82 20 Q76 28 72 28 M18 80 Q24 72 28 72 M82 80 Q76 72 72 72", 1.8),
        ),
        stands=False,
    ),
    Shape(
        "round cushion",
        (
            Part("O 50 50 41 39"),
            line("O 50 50 41 39", 1.8, "strong"),
            crease(
                "M50 46 Q48 32 44 24 M54 48 Q66 42 74 34 M53 54 Q64 64 70 72 M47 54 Q38 64 32 74 M46 48 Q34 46 24 40",
                1.8,
            ),
            Part("O 50 50 4 3.8", "light", gloss=0.2),
        ),
        stands=False,
    ),
    Shape(
        "lumbar pillow",
        (
            line("M9 27 L5 22 M91 27 L95 22 M9 75 L5 80 M91 75 L95 80", 3, "strong"),
            Part("M8 26 Q50 32 92 26 Q87 50 92 76 Q50 70 8 76 Q13 50 8 26 Z"),
            line("M20 28 Q24 50 20 74 M80 28 Q76 50 80 74", 2, "light"),
            crease("M11 30 Q15 34 19 35 M89 30 Q85 34 81 35 M11 71 Q15 67 19 66 M89 71 Q85 67 81 66", 1.6),
        ),
        stands=False,
    ),
)

_HANDS = (
    line("M50 50 L50 36", 2.4),
    line("M50 50 L61 55", 2.4),
    Part("O 50 50 2.6 2.6", BRASS, gloss=0.3),
)

_TICKS = tuple(line(path, 1.8) for path in ("M50 29 L50 32", "M50 71 L50 68", "M29 50 L32 50", "M71 50 L68 50"))

CLOCKS: tuple[Shape, ...] = (
    Shape(
        "wall clock",
        (
            Part("O 50 50 43 43", gloss=0.15),
            Part("O 50 50 26 26", CHALK, "flat"),
            *_TICKS,
            *_HANDS,
        ),
        stands=False,
    ),
    Shape(
        "alarm clock",
        (
            line("M30 78 L22 91 M70 78 L78 91", 4, STEEL, 0.2),
            line("M50 16 L50 10 M40 13 Q50 6 60 13", 2.4, STEEL, 0.2),
            Part("M16 30 C14 16 28 8 40 15 Z M84 30 C86 16 72 8 60 15 Z", BRASS, gloss=0.35),
            Part("O 50 50 37 37", gloss=0.15),
            Part("O 50 50 23.5 23.5", CHALK, "flat"),
            *_HANDS,
        ),
    ),
    Shape(
        "mantel clock",
        (
            Part("M19 84 L19 50 C19 8 81 8 81 50 L81 84 Z", gloss=0.1),
            Part("R 11 82 89 91 2", WOOD, gloss=0.1),
            Part("O 50 50 18.5 18.5", BRASS, gloss=0.25),
            Part("O 50 50 16.5 16.5", CHALK, "flat"),
            *_HANDS,
        ),
    ),
)
