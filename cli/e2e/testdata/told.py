# Runs a program that publishes with paho, and prints each payload that it gives
# to publish: what the box must have in the end.
import sys
import paho.mqtt.client as mqtt

publish = mqtt.Client.publish


def told(self, topic, payload, *args, **kwargs):
    print(payload, flush=True)
    return publish(self, topic, payload, *args, **kwargs)


mqtt.Client.publish = told
with open(sys.argv[1]) as f:
    exec(compile(f.read(), sys.argv[1], "exec"), {"__name__": "__main__"})
