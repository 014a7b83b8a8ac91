{{ config(materialized='table') }}
-- The subjects whose transactions may be read for some purpose now.

select distinct subject_key
from {{ ref('int_consent_permitted') }}
where permitted_now and purpose in {{ behaviour_purposes() }}
-- In the order of the key: what is held of one subject is found without reading all.
order by subject_key
