"""Compares an index with the log that it should follow, product by product, and mends what differs.

`reconciliation` puts the steps together: `snapshot`, `folding_log`, `comparing`, `repairing`, `tombstones`. What lies
between them is kept on disk (`workbook`, `folded_log`, `cases`), so that memory does not grow with the catalog, and a
run that was killed goes on where it was.
"""
