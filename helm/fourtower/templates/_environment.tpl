{{/* Variables of the environment, by what they describe; each template prints entries of a container's `env`. */}}

{{/* A value as a variable holds it: whole numbers without exponent, lists separated by commas. */}}
{{- define "fourtower.value" -}}
{{- if kindIs "slice" . -}}
{{- $parts := list -}}
{{- range . -}}{{- $parts = append $parts (include "fourtower.value" .) -}}{{- end -}}
{{- join "," $parts -}}
{{- else if kindIs "float64" . -}}
{{- if eq . (floor .) -}}{{- printf "%d" (int64 .) -}}{{- else -}}{{- printf "%v" . -}}{{- end -}}
{{- else -}}
{{- toString . -}}
{{- end -}}
{{- end -}}

{{/* One variable: (list "NAME" value); nothing where the value is an empty text. */}}
{{- define "fourtower.variable" -}}
{{- $value := include "fourtower.value" (index . 1) -}}
{{- if ne $value "" }}
- {name: {{ index . 0 }}, value: {{ $value | quote }}}
{{- end }}
{{- end -}}

{{/* A variable from a Secret: (list "NAME" "secret" "key"); nothing where no Secret is named. */}}
{{- define "fourtower.secretVariable" -}}
{{- if index . 1 }}
- name: {{ index . 0 }}
  valueFrom:
    secretKeyRef: {name: {{ index . 1 }}, key: {{ index . 2 }}}
{{- end }}
{{- end -}}

{{/* Settings as variables: (dict "prefix" "FLOW" "settings" "the JSON of settingsOf"). */}}
{{- define "fourtower.variables" -}}
{{- $prefix := .prefix -}}
{{- range $name, $value := .settings | fromJson }}
{{- include "fourtower.variable" (list (printf "FOURTOWER_%s_%s" $prefix ($name | upper)) $value) }}
{{- end }}
{{- end -}}

{{/* How to reach Kafka, as whom: (dict "root" $ "role" "ingester"). */}}
{{- define "fourtower.kafkaEnv" -}}
{{- $kafka := .root.Values.kafka -}}
{{- $role := index $kafka.roles .role -}}
{{- $user := ternary $role $kafka.auth (ne $role.existingSecret "") -}}
{{- include "fourtower.variable" (list "FOURTOWER_KAFKA_BOOTSTRAP" $kafka.bootstrap) }}
{{- include "fourtower.variable" (list "FOURTOWER_KAFKA_SECURITY_PROTOCOL" $kafka.securityProtocol) }}
{{- if hasPrefix "SASL_" $kafka.securityProtocol }}
{{- include "fourtower.variable" (list "FOURTOWER_KAFKA_SASL_MECHANISM" $kafka.saslMechanism) }}
{{- include "fourtower.secretVariable" (list "FOURTOWER_KAFKA_SASL_USERNAME" $user.existingSecret $user.usernameKey) }}
{{- include "fourtower.secretVariable" (list "FOURTOWER_KAFKA_SASL_PASSWORD" $user.existingSecret $user.passwordKey) }}
{{- end }}
{{- if $kafka.tls.existingSecret }}
{{- if $kafka.tls.caKey }}
{{- include "fourtower.variable" (list "FOURTOWER_KAFKA_SSL_CA_FILE" "/etc/fourtower/kafka/ca.crt") }}
{{- end }}
{{- if $kafka.tls.certificateKey }}
{{- include "fourtower.variable" (list "FOURTOWER_KAFKA_SSL_CERTIFICATE_FILE" "/etc/fourtower/kafka/tls.crt") }}
{{- end }}
{{- if $kafka.tls.privateKeyKey }}
{{- include "fourtower.variable" (list "FOURTOWER_KAFKA_SSL_KEY_FILE" "/etc/fourtower/kafka/tls.key") }}
{{- end }}
{{- if $kafka.tls.privateKeyPasswordKey }}
{{- include "fourtower.secretVariable" (list "FOURTOWER_KAFKA_SSL_KEY_PASSWORD" $kafka.tls.existingSecret $kafka.tls.privateKeyPasswordKey) }}
{{- end }}
{{- end }}
{{- include "fourtower.variables" (dict "prefix" "KAFKA" "settings" ($.root.Values.settings.kafka | toJson)) }}
{{- end -}}

{{/* How to reach Redis, as whom: (dict "root" $ "role" "worker"). */}}
{{- define "fourtower.redisEnv" -}}
{{- $redis := .root.Values.redis -}}
{{- $role := index $redis.roles .role -}}
{{- $user := ternary $role $redis.auth (ne $role.existingSecret "") -}}
{{- if $user.existingSecret }}
{{- include "fourtower.secretVariable" (list "FOURTOWER_REDIS_URL" $user.existingSecret $user.urlKey) }}
{{- else }}
{{- include "fourtower.variable" (list "FOURTOWER_REDIS_URL" $redis.url) }}
{{- end }}
{{- if $redis.tls.existingSecret }}
{{- include "fourtower.variable" (list "FOURTOWER_REDIS_CA_FILE" "/etc/fourtower/redis/ca.crt") }}
{{- end }}
{{- include "fourtower.variables" (dict "prefix" "REDIS" "settings" (.root.Values.settings.redis | toJson)) }}
{{- end -}}

{{/* The index as workers and tools know it: (dict "root" $ "role" "writer" "generation" ...). */}}
{{- define "fourtower.indexEnv" -}}
{{- $milvus := .root.Values.milvus -}}
{{- $role := index $milvus .role -}}
{{- $user := ternary $role $milvus.writer (ne $role.existingSecret "") -}}
{{- include "fourtower.variable" (list "FOURTOWER_WORKER_INDEX" $milvus.address) }}
{{- include "fourtower.secretVariable" (list "FOURTOWER_WORKER_TOKEN" $user.existingSecret $user.tokenKey) }}
{{- if $milvus.tls.existingSecret }}
{{- include "fourtower.variable" (list "FOURTOWER_WORKER_CA_FILE" "/etc/fourtower/milvus/ca.crt") }}
{{- end }}
{{- include "fourtower.variable" (list "FOURTOWER_WORKER_ALIAS" $milvus.alias) }}
{{- include "fourtower.variable" (list "FOURTOWER_WORKER_GENERATION" .generation.number) }}
{{- include "fourtower.variable" (list "FOURTOWER_WORKER_OPEN_TIMEOUT_S" (default "" (include "fourtower.settingsOf" (dict "root" .root "kind" "worker" "generation" .generation) | fromJson).open_timeout_s)) }}
{{- end -}}

{{/* All that the tools which look at log, queue and index at once are told: (dict "root" $ "kafka" role "milvus" role "generation" ...). */}}
{{- define "fourtower.toolsEnv" -}}
{{- $root := .root -}}
{{- include "fourtower.kafkaEnv" (dict "root" $root "role" .kafka) }}
{{- include "fourtower.redisEnv" (dict "root" $root "role" "tools") }}
{{- include "fourtower.variables" (dict "prefix" "TOPIC" "settings" ($root.Values.settings.topic | toJson)) }}
{{- include "fourtower.variables" (dict "prefix" "FLOW" "settings" (include "fourtower.settingsOf" (dict "root" $root "kind" "flow" "generation" .generation))) }}
{{- include "fourtower.variable" (list "FOURTOWER_INGESTER_GROUP" (default .generation.group .group)) }}
{{- include "fourtower.variable" (list "FOURTOWER_INGESTER_ALIAS" $root.Values.milvus.alias) }}
{{- include "fourtower.variable" (list "FOURTOWER_INGESTER_GENERATION" .generation.number) }}
{{- include "fourtower.indexEnv" (dict "root" $root "role" .milvus "generation" .generation) }}
{{- end -}}

{{/*
What `fourtower search` and `fourtower index` look for, which know the index by other names than the rest, and the model
for `fourtower bootstrap`; the first two take an authority of our own from gRPC's variable.
*/}}
{{- define "fourtower.commandsEnv" -}}
{{- $milvus := .root.Values.milvus -}}
{{- $user := ternary $milvus.admin $milvus.writer (ne $milvus.admin.existingSecret "") -}}
{{- include "fourtower.variable" (list "FOURTOWER_INDEX" $milvus.address) }}
{{- include "fourtower.variable" (list "FOURTOWER_ALIAS" $milvus.alias) }}
{{- include "fourtower.secretVariable" (list "FOURTOWER_TOKEN" $user.existingSecret $user.tokenKey) }}
{{- if $milvus.tls.existingSecret }}
{{- include "fourtower.variable" (list "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH" "/etc/fourtower/milvus/ca.crt") }}
{{- end }}
{{- include "fourtower.variable" (list "FOURTOWER_WORKER_MODEL" (include "fourtower.modelPath" (dict "root" .root "name" .generation.model))) }}
{{- end -}}

{{/* What no process of ours writes to but /tmp: (dict "root" $ "own" values). Own variables come last. */}}
{{- define "fourtower.commonEnv" -}}
{{- include "fourtower.variable" (list "HOME" "/tmp") }}
{{- with (default (dict) .own).extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
