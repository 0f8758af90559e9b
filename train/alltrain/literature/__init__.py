"""The literature table: systems of published papers, rebuilt and judged on the same folds as ours."""
