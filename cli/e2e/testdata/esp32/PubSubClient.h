// PubSubClient as the sketch sees it: it publishes with QoS 0 alone.
#pragma once

#include <MQTT.h>

class PubSubClient {
 public:
  explicit PubSubClient(Client &client) : net(client) {}
  PubSubClient &setServer(const char *host, uint16_t port) { mqtt.begin(host, port, net); return *this; }
  bool connect(const char *id, const char *user, const char *pass) { return mqtt.connect(id, user, pass); }
  bool publish(const char *topic, const char *payload) { return mqtt.publish(topic, payload, strlen(payload), false, 0); }

 private:
  Client &net;
  MQTTClient mqtt{256}; // its default buffer
};
