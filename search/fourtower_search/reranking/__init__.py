"""Re-ranks candidates: with a small model learned from judgments, with a scorer of pairs, or with a plugin."""
