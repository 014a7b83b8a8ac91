{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ drop_snapshot() }}",
    post_hook="{{ prune_snapshots('segmentation', oldest='as_of - tenure_days') }}"
) }}
-- How each permitted subject shops, for the purpose segmentation: one row per subject and `as_of`.

{{ segmentation_features(
    ref('int_segmentation_baskets'), ref('int_segmentation_categories'), as_of()
) }}
