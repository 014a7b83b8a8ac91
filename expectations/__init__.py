"""What must hold of data: checks built from the policy, each with a verdict.

Belongs here: verdicts (``result``) on marts (``marts``), feeds and custody (``feeds``) and segments
(``segments``); the suites and schemas behind them, one small adapter for each library (``gx`` for
Great Expectations, ``schemas`` for pandera); the proof of permission from landing (``proof``). Does
not belong here: opening DuckDB files (``warehouse``), Dagster's asset checks (``orchestration``),
recording and showing verdicts (``governance.status``), the rules themselves (``policy.yaml``).
"""
