{{/* The pod that creates a generation and fills it from the live one. */}}
{{- define "fourtower.seedTemplate" -}}
{{- $root := .root -}}
metadata:
  {{- include "fourtower.podMetadata" (merge (dict "checksum" (.generation.catalog | toJson | sha256sum | trunc 16)) .labels) | nindent 2 }}
spec:
  restartPolicy: Never
  {{- include "fourtower.podSpec" (dict "root" $root "own" (dict) "grace" 60) | nindent 2 }}
  {{- include "fourtower.initContainers" (dict "root" $root "models" .models "image" "ingester" "indent" 2) }}
  containers:
    - {{ include "fourtower.container" (dict "root" $root "name" "seed" "image" "ingester") | nindent 6 | trim }}
      command:
        - python
        - -c
        - |
          {{- include "fourtower.script" (dict "root" $root "file" "seed.py" "indent" 10) }}
        {{- include "fourtower.planOptions" (dict "root" $root "generation" .generation) | nindent 8 }}
      env:
        {{- $env := list }}
        {{- $env = append $env (include "fourtower.toolsEnv" (dict "root" $root "kafka" "admin" "milvus" "admin" "generation" .generation "group" .live.group)) }}
        {{- $env = append $env (include "fourtower.commonEnv" (dict "root" $root)) }}
        {{- join "" $env | trim | nindent 8 }}
      resources:
        {{- toYaml .own.resources | nindent 8 }}
      volumeMounts:
        {{- include "fourtower.mounts" .parts | nindent 8 }}
        {{- with include "fourtower.catalogMount" .generation }}{{ . | trim | nindent 8 }}{{ end }}
  volumes:
    {{- include "fourtower.volumes" .parts | nindent 4 }}
    {{- with include "fourtower.catalogVolume" (dict "root" $root "generation" .generation) }}{{ . | trim | nindent 4 }}{{ end }}
{{- end -}}
