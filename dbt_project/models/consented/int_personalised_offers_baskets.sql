-- The visits that may be read for the purpose personalised_offers.

{{ permitted_rows(
    ref('int_transactions_baskets'), 'personalised_offers', ['lines', 'value', 'discount']
) }}
