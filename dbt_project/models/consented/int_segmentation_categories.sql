-- The spending by category that may be read for the purpose segmentation.

{{ permitted_rows(
    ref('int_transactions_categories'), 'segmentation', ['category', 'value']
) }}
