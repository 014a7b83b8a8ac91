-- The spending by category that may be read for the purpose personalised_offers.

{{ permitted_rows(
    ref('int_transactions_categories'), 'personalised_offers', ['category', 'value']
) }}
