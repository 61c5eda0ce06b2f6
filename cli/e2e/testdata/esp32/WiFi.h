#pragma once

#include <Arduino.h>

class Client {};
class WiFiClient : public Client {};

enum wl_status_t { WL_IDLE_STATUS = 0, WL_CONNECTED = 3 };

class WiFiClass {
 public:
  void begin(const char *ssid, const char *passphrase);
  wl_status_t status(); // connected from the second time on
 private:
  bool begun = false, asked = false;
};

extern WiFiClass WiFi;
