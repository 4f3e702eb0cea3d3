"""Our page in Airflow's UI: what the instances, the stores and those who read them are up to.

It is HTML and SVG made by the server (Jinja2 with autoescape, which Airflow brings along) rather than
JavaScript and a chart library: nothing is vendored or built, it works with scripts switched off, a foreign
name is escaped in one place, and the content security policy allows no inline script or style at all. A short
script refreshes it, and takes over whether Airflow is light or dark.

::

    plugin      what Airflow registers: the app, and the entry in its menu
    app         the routes, who is let in, the headers of each answer
    access      which connections a user may read
    kept        values that are worked out in a thread, now and then, and shared by all who look
    looking     looks at the gateway: one per instance and minute, while somebody looks at the page
    places      the stores that the configuration names
    day         what the drains of the last 24 hours came to, in little memory
    figures     what is read of one store
    instances   what is known of each instance
    stores      how a store is shown
    gather      all of it, for one user
    chart       numbers as shapes
    watchers    how a watcher is shown
    wording     how times, numbers and foreign words are shown

Nothing is asked of Airflow's metadata database but the names of connections. Nothing is changed anywhere.
"""
