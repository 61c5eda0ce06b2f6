package config

import (
	"strings"
	"testing"
)

func TestSettingsSayWhoSaidSo(t *testing.T) {
	file := write(t, "http:\n  listen: 127.0.0.1:1\n  cors_origins:\n    - https://a.example.org\n    - https://b.example.org\nmqtt:\n  listen: 127.0.0.1:2\nsmtp:\n  host: mail.example.org\n  from: a@example.org\n  user: ann\n")
	all, err := Settings(Sources{
		File:    file,
		Environ: []string{"TIDEGATE_MQTT_LISTEN=127.0.0.1:3", "TIDEGATE_SMTP_PASSWORD=pa55word", "TIDEGATE_LOG_MAX_SIZE=2GiB", "MONGO_URI=mongodb://u:pa55word@db/tide", "JWT_SECRET="},
		Flags:   map[string]string{"mqtt.listen": "127.0.0.1:4"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if paths := newTable(new(Config)).paths(); len(all) != len(paths)+len(onlyEnvironment()) || all[0].Key != paths[0] {
		t.Errorf("%d settings for %d keys, the first is %s", len(all), len(paths), all[0].Key)
	}
	got := map[string]Setting{}
	for _, s := range all {
		got[s.Key] = s
		if strings.Contains(s.Value+s.Default+s.Origin, "pa55word") {
			t.Errorf("%s tells a secret: %+v", s.Key, s)
		}
	}
	for _, want := range []Setting{
		{"http.listen", "127.0.0.1:1", ":8080", SourceFile, file + " line 2", false},
		{"http.cors_origins", "https://a.example.org,https://b.example.org", "", SourceFile, file + " line 4", false},
		{"mqtt.listen", "127.0.0.1:4", ":1883", SourceFlag, "flag for mqtt.listen", false},
		{"log.max_size", "2GiB", "1GiB", SourceEnvironment, "environment TIDEGATE_LOG_MAX_SIZE", false},
		{"store.flush_interval", "10m", "10m", SourceDefault, "", false},
		{"http.redirect", "true", "true", SourceDefault, "", false},
		{"smtp.password", "[secret]", "", SourceEnvironment, "environment TIDEGATE_SMTP_PASSWORD", true},
		{"MONGO_URI", "[secret]", "", SourceEnvironment, "environment MONGO_URI", true},
		{"JWT_SECRET", "", "", SourceDefault, "", true},
	} {
		if got[want.Key] != want {
			t.Errorf("got  %+v\nwant %+v", got[want.Key], want)
		}
	}
	if _, err := Settings(Sources{Flags: map[string]string{"mqtt.listen": "here"}}); err == nil {
		t.Error("settings that are not valid are shown")
	}
}
