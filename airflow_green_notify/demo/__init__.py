"""The example Dags with real Airflow, without account or server."""
