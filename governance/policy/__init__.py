"""The policy: the one place where a rule is written, read and turned into what others need.

Belongs here: the shape of ``policy.yaml`` (``model``), what must hold in it beyond its shape
(``checks``), reading it with positions (``positions``, ``load``), what is derived from it
(``columns``, ``rules``, ``derive``), its explanation (``schema``, ``document``). Does not belong
here: judging data against a rule (``expectations``, dbt) or deciding about a subject
(``int_consent_*``).
"""
