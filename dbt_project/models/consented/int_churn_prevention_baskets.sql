-- The visits that may be read for the purpose churn_prevention.

{{ permitted_rows(
    ref('int_transactions_baskets'), 'churn_prevention', ['lines', 'value']
) }}
