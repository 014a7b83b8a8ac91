"""Estimators: segmentation of subjects, how good it is, and what it says in plain words.

Belongs here: scikit-learn style estimators, measures of them, cards and plots of aggregates. Arrays
and frames in and out; errors of use are ``ValueError``. Does not belong here: databases, policies,
Dagster, clocks, other rooms; files only where a path is handed in for saving or loading.

No result depends on the order of the rows (they come in the order of a random pseudonym): rows are
put in an order of their values before anything is drawn or summed (``models.ordering``).
"""
