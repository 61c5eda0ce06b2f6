// 256dpi/arduino-mqtt as the sketch sees it: one packet at a time, and a
// connection that is closed by whatever goes wrong.
#pragma once

#include <WiFi.h>

struct Session; // a connection of libmosquitto

class MQTTClient {
 public:
  explicit MQTTClient(int bufSize = 128) : size(bufSize) {}
  void begin(const char hostname[], int port, Client &net);
  bool connect(const char clientId[], const char username[], const char password[]);
  bool publish(const char topic[], const char payload[], int length, bool retained, int qos);
  bool loop();
  bool connected();

 private:
  bool close();
  int size, port = 0;
  const char *host = nullptr;
  Session *session = nullptr;
};
