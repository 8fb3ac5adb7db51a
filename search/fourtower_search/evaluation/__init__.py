"""Measures a live index: judged queries in, figures with their uncertainty out."""
