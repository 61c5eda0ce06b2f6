// What the sketches use of the Arduino core for the ESP32.
#pragma once

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// The sketch's own.
void setup();
void loop();

// Waits, but never longer than makes a new second.
void delay(uint32_t ms);
uint32_t analogReadMilliVolts(uint8_t pin);
void configTime(long gmtOffset, int daylightOffset, const char *server);

// The board's clock counts from 1970 until its first answer from a time server:
// here, until the sketch has asked once.
time_t boardTime(time_t *t);
#define time boardTime
