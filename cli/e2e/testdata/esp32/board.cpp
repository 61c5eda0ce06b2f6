#include <mosquitto.h>

#include <MQTT.h>
#undef time

WiFiClass WiFi;

void WiFiClass::begin(const char *, const char *) { begun = true; }

wl_status_t WiFiClass::status() {
  bool was = asked;
  asked = true;
  return begun && was ? WL_CONNECTED : WL_IDLE_STATUS;
}

void delay(uint32_t ms) {
  if (ms > 1100) ms = 1100;
  timespec t = {time_t(ms / 1000), long(ms % 1000) * 1000000};
  nanosleep(&t, nullptr);
}

uint32_t analogReadMilliVolts(uint8_t pin) { return pin == 34 ? 2305 : 0; }

static bool timeServer = false;

void configTime(long, int, const char *) { timeServer = true; }

time_t boardTime(time_t *) {
  static int asked = 0;
  return timeServer && ++asked > 1 ? time(nullptr) : 5;
}

struct Session {
  mosquitto *m;
  bool up = false, down = false;
  int acked = 0; // id of the last message that is out: QoS 1 with its ack
};

static const int patience = 1000; // ms, as in the library

// await works on the connection until done says so, for a second at most.
template <typename F>
static bool await(Session *s, F done) {
  for (int waited = 0; waited < patience && !s->down; waited += 10) {
    if (done()) return true;
    if (mosquitto_loop(s->m, 10, 1) != MOSQ_ERR_SUCCESS) return false;
  }
  return !s->down && done();
}

void MQTTClient::begin(const char hostname[], int p, Client &) { host = hostname, port = p; }

bool MQTTClient::connect(const char clientId[], const char username[], const char password[]) {
  close();
  session = new Session;
  session->m = mosquitto_new(clientId, true, session);
  mosquitto_username_pw_set(session->m, username, password);
  mosquitto_connect_callback_set(session->m, [](mosquitto *, void *s, int rc) { (rc == 0 ? ((Session *)s)->up : ((Session *)s)->down) = true; });
  mosquitto_disconnect_callback_set(session->m, [](mosquitto *, void *s, int) { ((Session *)s)->down = true; });
  mosquitto_publish_callback_set(session->m, [](mosquitto *, void *s, int mid) { ((Session *)s)->acked = mid; });
  if (mosquitto_connect(session->m, host, port, 10) != MOSQ_ERR_SUCCESS) return close();
  if (!await(session, [&] { return session->up; })) return close();
  return true;
}

bool MQTTClient::publish(const char topic[], const char payload[], int length, bool retained, int qos) {
  if (!connected()) return false;
  const int header = 5 + 2 + 2; // type and length, length of the topic, packet id
  int mid = 0;
  if (header + (int)strlen(topic) + length > size ||
      mosquitto_publish(session->m, &mid, topic, length, payload, qos, retained) != MOSQ_ERR_SUCCESS ||
      !await(session, [&] { return session->acked == mid; }))
    return close();
  printf("%.*s\n", length, payload);
  return true;
}

bool MQTTClient::loop() {
  if (!connected()) return false;
  if (mosquitto_loop(session->m, 0, 1) != MOSQ_ERR_SUCCESS || session->down) return close();
  return true;
}

bool MQTTClient::connected() { return session && session->up && !session->down; }

bool MQTTClient::close() {
  if (session) {
    mosquitto_destroy(session->m);
    delete session;
    session = nullptr;
  }
  return false;
}

int main() {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  mosquitto_lib_init();
  for (setup();;) loop();
}
