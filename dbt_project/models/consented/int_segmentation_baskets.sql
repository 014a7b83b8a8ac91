-- The visits that may be read for the purpose segmentation.

{{ permitted_rows(
    ref('int_transactions_baskets'), 'segmentation', ['lines', 'value', 'discount']
) }}
