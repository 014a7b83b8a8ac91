-- The spending by category that may be read for the purpose segmentation. A view, line by line: a
-- table by day would be nearly as long as the transactions, and cost more than it saved.

{{ permitted_rows(
    ordinary_transactions('category is not null'), 'segmentation', ['category', 'value']
) }}
