"""Silhouettes of what people wear and carry: shoes, bags, hats, shirts, umbrellas."""

from __future__ import annotations

from fourtower_encoders.synth.parts import (
    BRASS,
    CHALK,
    INK,
    LEATHER,
    RUBBER,
    STEEL,
    WOOD,
    Part,
    Shape,
    both,
    crease,
    line,
)

SHOES: tuple[Shape, ...] = (
    Shape(
        "sneaker",
        (
            Part("M33 42 C36 32 40 27 46 27 L53 38 L46 46 Z", "light"),
            Part("M9 77 C7 60 9 45 16 39 Q25 46 36 38 L44 35 C50 47 62 56 76 59 C89 62 94 69 93 78 Z"),
            Part("M75 59 C89 62 94 69 93 78 L72 78 C70 70 71 63 75 59 Z", "light"),
            Part("M9 77 C7 62 9 50 14 43 C22 50 22 66 21 78 Z", "strong"),
            line("M40 41 L47 37 M44 46 L51 42 M49 51 L56 46.5 M55 55 L61 50.5", 2.2, CHALK),
            Part("M7 75 Q50 79 94 75 Q98 83 91 87 L12 87 Q4 85 7 75 Z", CHALK),
            crease("M8 81 Q50 84 95 81", 0.9),
        ),
    ),
    Shape(
        "boot",
        (
            Part("M26 12 Q42 15 58 12 C57 32 57 44 61 52 C74 56 90 60 91 79 L27 79 C24 56 26 34 26 12 Z"),
            Part("M26 12 Q42 15 58 12 L58 20 Q42 23 26 20 Z", "strong"),
            line("M58 28 L50 29 M58 35 L50 36 M59 42 L51 44 M61 49 L54 52", 2, CHALK),
            crease("M28 62 Q44 66 60 54", 1.2),
            Part("M25 77 L92 77 Q95 82 91 85 L50 85 L48 90 L26 90 Z", RUBBER),
        ),
    ),
    Shape(
        "pump",
        (
            Part("M9 42 C12 52 15 58 21 64 L19 89 L14.5 89 Z", RUBBER, gloss=0.2),
            Part(
                "M10 34 C20 32 24 40 31 49 C40 60 52 62 66 59 C80 60 93 70 95 83 Q96 87 90 87 L68 87 "
                "C54 86 42 74 30 67 C22 63 16 60 12 52 Z",
                gloss=0.2,
            ),
            Part(
                "M95 83 Q96 88.5 90 88.5 L68 88.5 C54 88 42 76 30 69 L21 64 L22 62 L30 65.5 C42 72 54 84 68 85.5 Z",
                RUBBER,
            ),
            Part(
                "M14 35 C22 36 24 44 31 51 C40 61 52 63.5 64 60.5 C52 67 40 66 28 57 Q18 48 14 35 Z",
                (226, 204, 178),
            ),
            Part("O 70 63 4 3", "strong", gloss=0.3),
        ),
    ),
)

BAGS: tuple[Shape, ...] = (
    Shape(
        "tote",
        (
            line("M36 42 C36 6 66 6 66 42", 3.6, (96, 60, 38)),
            Part("M19 36 Q50 40 81 36 L86 86 Q50 92 14 86 Z"),
            Part("M19 36 Q50 40 81 36 L81.5 42 Q50 46 18.5 42 Z", "light"),
            line("M32 52 C30 8 70 8 68 52", 4, LEATHER, 0.1),
            line("M32 46 L32 56 M68 46 L68 56", 5, LEATHER),
            crease("M27 60 Q30 74 26 88 M72 58 Q70 72 75 88", 1.6),
        ),
    ),
    Shape(
        "handbag",
        (
            line("M30 44 C30 10 70 10 70 44", 4.4, LEATHER, 0.15),
            Part("M14 46 Q50 38 86 46 L91 80 Q91 89 80 89 L20 89 Q9 89 9 80 Z", gloss=0.12),
            Part("M13 45 Q50 37 87 45 L88 58 Q70 72 50 72 Q30 72 12 58 Z", gloss=0.12),
            line("M30 40 L30 50 M70 40 L70 50", 3, BRASS, 0.3),
            Part("R 45 66 55 76 3", BRASS, gloss=0.4),
        ),
    ),
    Shape(
        "backpack",
        (
            line("M40 16 C40 4 60 4 60 16", 4, RUBBER),
            line("M26 34 C10 50 12 74 22 84 M74 34 C90 50 88 74 78 84", 5, RUBBER),
            Part("M24 36 C24 18 36 12 50 12 C64 12 76 18 76 36 L79 82 Q78 90 68 90 L32 90 Q22 90 21 82 Z"),
            line("M27 40 C28 24 38 19 50 19 C62 19 72 24 73 40", 1.6, INK),
            Part("R 29 54 71 84 8"),
            line("M31 61 L69 61", 1.8, INK),
            line("M64 61 L64 67", 2.2, BRASS, 0.3),
            Part("R 43 38 57 47 2", LEATHER),
        ),
    ),
)

HATS: tuple[Shape, ...] = (
    Shape(
        "fedora",
        (
            Part("M5 68 Q26 54 50 54 Q74 54 95 68 Q92 76 50 78 Q8 76 5 68 Z"),
            Part(
                "M27 66 C27 44 30 24 40 24 Q50 31 60 24 C70 24 73 44 73 66 Q50 74 27 66 Z",
                form="turned",
                bow=6,
            ),
            Part("M27 57 Q50 66 73 57 L73.4 66.5 Q50 75 26.6 66.5 Z", INK, "turned"),
            crease("M50 30 Q52 38 49 46", 2.2),
        ),
    ),
    Shape(
        "cap",
        (
            Part("M48 60 Q80 50 97 70 Q98 75 92 74 Q72 66 52 72 Z", "strong"),
            Part("M13 68 C10 38 28 22 46 22 C66 22 78 38 77 62 Q48 66 40 70 Q26 73 13 68 Z"),
            crease("M46 22 Q30 42 31 70 M46 22 Q62 38 64 64", 0.9),
            Part("O 46 22 3.6 2.2", "strong"),
        ),
    ),
    Shape(
        "beanie",
        (
            Part("M20 68 C16 36 34 22 50 22 C66 22 84 36 80 68 Z"),
            Part("O 50 17 11 10.5", "light"),
            Part("R 16 62 84 84 8", "strong"),
            crease(
                "M24 64 L24 83 M33 64 L33 83 M42 64 L42 83 M51 64 L51 83 M60 64 L60 83 M69 64 L69 83 M77 64 L77 83",
                1.5,
            ),
        ),
    ),
)

SHIRTS: tuple[Shape, ...] = (
    Shape(
        "t-shirt",
        (
            Part(
                "M35 15 L20 21 L4 42 L19 53 L27 44 L26 87 Q50 91 74 87 "
                "L73 44 L81 53 L96 42 L80 21 L65 15 Q50 28 35 15 Z"
            ),
            line("M35 15 Q50 30 65 15", 3.2, "strong"),
            crease("M27 44 Q30 34 27 26 M73 44 Q70 34 73 26", 1.3),
            crease("M31 50 Q38 62 33 84 M68 56 Q62 70 66 86 M44 60 Q52 66 50 80", 2),
        ),
        stands=False,
    ),
    Shape(
        "sweater",
        (
            *both("M34 16 L22 21 Q9 44 5 80 L17 83 Q24 60 31 44 Z"),
            *both("M5.5 76 L4.5 84 L17 87 L18.5 79 Z", "strong"),
            Part("M35 15 L25 21 L28 46 L27 86 Q50 90 73 86 L72 46 L75 21 L65 15 Q50 26 35 15 Z"),
            Part("M27 80 Q50 84 73 80 L73 88 Q50 92 27 88 Z", "strong"),
            line("M36 15 Q50 28 64 15", 4, "strong"),
            crease("M34 46 Q42 58 36 76 M66 48 Q60 62 63 78", 2),
        ),
        stands=False,
    ),
    Shape(
        "polo",
        (
            Part("M36 14 L20 21 L6 44 L20 52 L27 43 L26 87 Q50 90 74 87 L73 43 L80 52 L94 44 L80 21 L64 14 L50 24 Z"),
            Part("R 46.5 22 53.5 50 1.5", "light"),
            *both("M36 13 L50 22 L42 32 L31 18 Z", "light"),
            Part("O 50 32 1.4 1.4 O 50 39 1.4 1.4 O 50 46 1.4 1.4", INK, "flat"),
            *both("M6 44 L20 52 L22 49 L8 40.5 Z", "strong"),
            crease("M32 50 Q38 64 34 84 M68 54 Q62 70 65 86", 2),
        ),
        stands=False,
    ),
)

UMBRELLAS: tuple[Shape, ...] = (
    Shape(
        "walking umbrella",
        (
            line("M50 8 L50 84 C50 94 64 94 64 84", 2.6, WOOD, 0.2),
            Part("M4 54 C8 22 34 11 50 11 C66 11 92 22 96 54 Q85 45 74 52 Q62 45 50 52 Q38 45 26 52 Q15 45 4 54 Z"),
            crease("M50 11 Q30 24 26 52 M50 11 Q70 24 74 52 M50 11 L50 52", 1),
            line("M50 5 L50 11", 2.2, STEEL, 0.3),
        ),
        stands=False,
    ),
    Shape(
        "parasol",
        (
            line("M50 10 L50 88", 3, WOOD, 0.2),
            Part("R 36 85 64 92 3", (128, 126, 124), "turned"),
            Part("M50 9 Q70 24 97 42 L95 49 Q84 44 73 50 Q62 46 50 51 Q38 46 27 50 Q16 44 5 49 L3 42 Q30 24 50 9 Z"),
            crease("M50 9 Q34 30 27 50 M50 9 Q66 30 73 50 M50 9 L50 51", 1),
            crease("M3 42 Q27 38 50 43 Q73 38 97 42", 0.9),
            Part("O 50 9 2.4 3", BRASS, gloss=0.3),
        ),
    ),
    Shape(
        "folding umbrella",
        (
            line("M50 8 L50 80 C50 93 34 93 34 82", 3.4, WOOD, 0.2),
            Part("M50 10 Q62 26 66 64 Q58 60 56 67 Q50 60 44 67 Q42 60 34 64 Q38 26 50 10 Z"),
            crease("M50 12 Q57 34 56 66 M50 12 Q43 34 44 66", 1.4),
            Part("M41.5 36 Q50 41 58.5 36 L59.8 41.5 Q50 46.5 40.2 41.5 Z", "strong"),
            line("M50 5 L50 11", 2.2, STEEL, 0.3),
        ),
        stands=False,
    ),
)
