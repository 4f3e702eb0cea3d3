"""What the gateway is asked, and what its answers mean; no I/O.

A :class:`~airflow_green_notify.protocol.calls.Call` describes one request;
:func:`~airflow_green_notify.protocol.answers.read_answer` turns its answer into a result or an error.
Whoever sends the bytes adds nothing to either.

.. seealso:: https://green-api.com/en/docs/api/
"""
