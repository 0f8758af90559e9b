"""What a device tells those who look after forty of them: figures for Prometheus, results over MQTT.

`tally` counts within the service, `metrics` writes the counts down for Prometheus, `endpoint` serves that
file on this machine. `messages`, `cursor`, `broker` and `publishing` bring each event of the journal to a
broker, from a process of its own. No picture leaves the device.
"""
