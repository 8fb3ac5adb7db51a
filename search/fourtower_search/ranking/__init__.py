"""From found rows to a ranked list: pure stages, each a function from candidates to candidates."""
