"""The paper's claim, measured: the same towers trained under different losses, at equal budgets."""
