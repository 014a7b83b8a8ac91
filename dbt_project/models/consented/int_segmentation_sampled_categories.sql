-- The spending by category that may be read for the purpose segmentation, of the sampled subjects.

{{ permitted_rows(
    ordinary_transactions('category is not null'), 'segmentation', ['category', 'value'],
    only=ref('int_segmentation_samples')
) }}
