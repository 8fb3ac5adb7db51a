{{/* What each server is told by its environment. */}}

{{/* All that the search service is told. It takes no model: it follows what each generation records. */}}
{{- define "fourtower.searchEnv" -}}
{{- $own := .Values.search -}}
{{- $reader := ternary .Values.milvus.reader .Values.milvus.writer (ne .Values.milvus.reader.existingSecret "") -}}
{{- include "fourtower.variable" (list "FOURTOWER_SERVICE_INDEX" .Values.milvus.address) }}
{{- include "fourtower.secretVariable" (list "FOURTOWER_SERVICE_TOKEN" $reader.existingSecret $reader.tokenKey) }}
{{- if .Values.milvus.tls.existingSecret }}
{{- include "fourtower.variable" (list "FOURTOWER_SERVICE_CA_FILE" "/etc/fourtower/milvus/ca.crt") }}
{{- end }}
{{- include "fourtower.variable" (list "FOURTOWER_SERVICE_ALIAS" .Values.milvus.alias) }}
{{- if .Values.pictures.volume.existingClaim }}
{{- include "fourtower.variable" (list "FOURTOWER_SERVICE_IMAGE_ROOT" "/pictures") }}
{{- end }}
{{- include "fourtower.variable" (list "FOURTOWER_SERVICE_IMAGE_HOSTS" .Values.pictures.searchHosts) }}
{{- include "fourtower.variable" (list "FOURTOWER_SERVICE_IMAGE_PRIVATE" .Values.pictures.searchPrivate) }}
{{- include "fourtower.variable" (list "FOURTOWER_SERVICE_HOST" "0.0.0.0") }}
{{- include "fourtower.variable" (list "FOURTOWER_SERVICE_PORT" 8000) }}
{{- include "fourtower.variable" (list "FOURTOWER_SERVICE_PROBE_PORT" 8001) }}
{{- if $own.keys.existingSecret }}
{{- include "fourtower.variable" (list "FOURTOWER_SERVICE_KEYS" (printf "/etc/fourtower/keys/%s" $own.keys.key)) }}
{{- else }}
{{- include "fourtower.variable" (list "FOURTOWER_SERVICE_INSECURE" true) }}
{{- end }}
{{- include "fourtower.secretVariable" (list "FOURTOWER_SERVICE_CURSOR_KEY" $own.cursorKey.existingSecret $own.cursorKey.key) }}
{{- include "fourtower.variable" (list "FOURTOWER_SERVICE_LOG_FORMAT" .Values.log.format) }}
{{- include "fourtower.variable" (list "FOURTOWER_SERVICE_LOG_LEVEL" .Values.log.level) }}
{{- include "fourtower.variables" (dict "prefix" "SERVICE" "settings" (.Values.settings.service | toJson)) }}
{{- include "fourtower.commonEnv" (dict "root" . "own" $own) }}
{{- end -}}

{{/* All that an ingester is told: (dict "root" $ "generation" ...). */}}
{{- define "fourtower.ingesterEnv" -}}
{{- include "fourtower.kafkaEnv" (dict "root" .root "role" "ingester") }}
{{- include "fourtower.redisEnv" (dict "root" .root "role" "ingester") }}
{{- include "fourtower.variables" (dict "prefix" "TOPIC" "settings" (.root.Values.settings.topic | toJson)) }}
{{- include "fourtower.variables" (dict "prefix" "FLOW" "settings" (include "fourtower.settingsOf" (dict "root" .root "kind" "flow" "generation" .generation))) }}
{{- include "fourtower.variable" (list "FOURTOWER_INGESTER_GROUP" .generation.group) }}
- name: FOURTOWER_INGESTER_INSTANCE
  valueFrom:
    fieldRef: {fieldPath: metadata.name}
{{- include "fourtower.variable" (list "FOURTOWER_INGESTER_ALIAS" .root.Values.milvus.alias) }}
{{- include "fourtower.variable" (list "FOURTOWER_INGESTER_GENERATION" .generation.number) }}
{{- include "fourtower.variable" (list "FOURTOWER_INGESTER_DEAD_LETTERS" .generation.deadLetters) }}
{{- include "fourtower.variable" (list "FOURTOWER_INGESTER_HEARTBEAT_FILE" "/tmp/heartbeat") }}
{{- include "fourtower.variable" (list "FOURTOWER_INGESTER_METRICS_PORT" 8001) }}
{{- include "fourtower.variable" (list "FOURTOWER_INGESTER_METRICS_HOST" "0.0.0.0") }}
{{- include "fourtower.variable" (list "FOURTOWER_INGESTER_LOG_FORMAT" .root.Values.log.format) }}
{{- include "fourtower.variable" (list "FOURTOWER_INGESTER_LOG_LEVEL" .root.Values.log.level) }}
{{- include "fourtower.variables" (dict "prefix" "INGESTER" "settings" (include "fourtower.settingsOf" (dict "root" .root "kind" "ingester" "generation" .generation))) }}
{{- include "fourtower.commonEnv" (dict "root" .root "own" .generation.ingester) }}
{{- end -}}

{{/* All that a worker is told: (dict "root" $ "generation" ... "pool" ...). */}}
{{- define "fourtower.workerEnv" -}}
{{- $root := .root -}}
{{- $milvus := $root.Values.milvus -}}
{{- $settings := include "fourtower.settingsOf" (dict "root" $root "kind" "worker" "generation" .generation "pool" .pool) | fromJson -}}
{{- include "fourtower.redisEnv" (dict "root" $root "role" "worker") }}
{{- include "fourtower.variables" (dict "prefix" "FLOW" "settings" (include "fourtower.settingsOf" (dict "root" $root "kind" "flow" "generation" .generation))) }}
{{- include "fourtower.variable" (list "FOURTOWER_WORKER_INDEX" $milvus.address) }}
{{- include "fourtower.secretVariable" (list "FOURTOWER_WORKER_TOKEN" $milvus.writer.existingSecret $milvus.writer.tokenKey) }}
{{- if $milvus.tls.existingSecret }}
{{- include "fourtower.variable" (list "FOURTOWER_WORKER_CA_FILE" "/etc/fourtower/milvus/ca.crt") }}
{{- end }}
{{- include "fourtower.variable" (list "FOURTOWER_WORKER_ALIAS" $milvus.alias) }}
{{- include "fourtower.variable" (list "FOURTOWER_WORKER_GENERATION" .generation.number) }}
{{- include "fourtower.variable" (list "FOURTOWER_WORKER_MODEL" (include "fourtower.modelPath" (dict "root" $root "name" .generation.model))) }}
{{- include "fourtower.variable" (list "FOURTOWER_WORKER_DEVICE" (ternary "cuda" "cpu" (eq .pool.kind "gpu"))) }}
{{- if $root.Values.pictures.volume.existingClaim }}
{{- include "fourtower.variable" (list "FOURTOWER_WORKER_IMAGE_ROOT" "/pictures") }}
{{- end }}
{{- include "fourtower.variable" (list "FOURTOWER_WORKER_ALLOW_HOSTS" $root.Values.pictures.allowHosts) }}
{{- include "fourtower.variable" (list "FOURTOWER_WORKER_ALLOW_PRIVATE" $root.Values.pictures.allowPrivate) }}
{{- include "fourtower.variable" (list "FOURTOWER_WORKER_HEARTBEAT_FILE" "/tmp/heartbeat") }}
{{- include "fourtower.variable" (list "FOURTOWER_WORKER_METRICS_PORT" 8001) }}
{{- include "fourtower.variable" (list "FOURTOWER_WORKER_METRICS_HOST" "0.0.0.0") }}
{{- include "fourtower.variable" (list "FOURTOWER_WORKER_LOG_FORMAT" $root.Values.log.format) }}
{{- include "fourtower.variable" (list "FOURTOWER_WORKER_LOG_LEVEL" $root.Values.log.level) }}
{{- include "fourtower.variables" (dict "prefix" "WORKER" "settings" ($settings | toJson)) }}
{{- include "fourtower.commonEnv" (dict "root" $root "own" .pool) }}
{{- end -}}
