{{/* The generations with their defaults filled in, and where models lie. */}}

{{/*
All generations as JSON, by name: what each says goes over generationDefaults, what each pool says over workerDefaults
and, on a GPU, gpuWorkerDefaults. Each also gets `name`, `number` and `group`, its pools `name`.
*/}}
{{- define "fourtower.generations" -}}
{{- $root := . -}}
{{- $all := dict -}}
{{- range $name, $given := .Values.generations -}}
{{- if $given -}}
{{- $number := trimPrefix "g" $name | int -}}
{{- $generation := mergeOverwrite (deepCopy $root.Values.generationDefaults) (deepCopy $given) -}}
{{- $pools := dict -}}
{{- range $pool, $own := $generation.workers -}}
{{- if $own -}}
{{- $defaults := deepCopy $root.Values.workerDefaults -}}
{{- if eq (default $defaults.kind $own.kind) "gpu" -}}
{{- $defaults = mergeOverwrite $defaults (deepCopy $root.Values.gpuWorkerDefaults) -}}
{{- end -}}
{{- $_ := set $pools $pool (mergeOverwrite $defaults (deepCopy $own) (dict "name" $pool)) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $generation "workers" $pools -}}
{{- $_ := set $generation "name" $name -}}
{{- $_ := set $generation "number" $number -}}
{{- $group := $root.Values.consumerGroup -}}
{{- if gt $number 1 -}}{{- $group = printf "%s.g%d" $group $number -}}{{- end -}}
{{- $_ := set $generation "group" (default $group $generation.group) -}}
{{- if eq $generation.deadLetters nil -}}
{{- $_ := set $generation "deadLetters" $generation.live -}}
{{- end -}}
{{- $_ := set $all $name $generation -}}
{{- end -}}
{{- end -}}
{{- $all | toJson -}}
{{- end -}}

{{/* The live generation, as JSON. */}}
{{- define "fourtower.live" -}}
{{- range include "fourtower.generations" . | fromJson -}}
{{- if .live -}}{{- . | toJson -}}{{- end -}}
{{- end -}}
{{- end -}}

{{/* Settings of one kind for a generation, and for one of its pools: (dict "root" $ "kind" "flow" "generation" ... "pool" ...). */}}
{{- define "fourtower.settingsOf" -}}
{{- $own := default (dict) (index (default (dict) (default (dict) .generation).settings) .kind) -}}
{{- $pools := ternary (default (dict) (default (dict) .pool).settings) (dict) (eq .kind "worker") -}}
{{- mergeOverwrite (deepCopy (default (dict) (index .root.Values.settings .kind))) (deepCopy $own) (deepCopy $pools) | toJson -}}
{{- end -}}

{{/* Where a model's folder lies in every pod; generations record it. (dict "root" $ "name" "second") */}}
{{- define "fourtower.modelPath" -}}
{{- $model := index .root.Values.models .name -}}
{{- if eq $model.source "shipped" -}}demo
{{- else if eq $model.source "image" -}}{{ $model.path }}
{{- else -}}/models/{{ .name }}
{{- end -}}
{{- end -}}

{{/* The names of the models that all generations use, as a JSON list. */}}
{{- define "fourtower.modelsInUse" -}}
{{- $names := list -}}
{{- range include "fourtower.generations" . | fromJson -}}
{{- $names = append $names .model -}}
{{- end -}}
{{- $names | uniq | sortAlpha | toJson -}}
{{- end -}}

{{/* Init containers that fetch models: (dict "root" $ "models" names "image" which). */}}
{{- define "fourtower.modelFetchers" -}}
{{- $root := .root -}}
{{- $image := .image -}}
{{- range $name := .models -}}
{{- $model := index $root.Values.models $name -}}
{{- if eq $model.source "download" }}
- name: model-{{ $name }}
  image: {{ include "fourtower.image" (dict "root" $root "which" $image) }}
  imagePullPolicy: {{ $root.Values.images.pullPolicy }}
  command:
    - python
    - -c
    - |
      {{- include "fourtower.script" (dict "root" $root "file" "fetch_model.py" "indent" 6) }}
    - {{ $model.url | quote }}
    - {{ $model.sha256 | quote }}
    - /models/{{ $name }}
  {{- with $model.existingSecret }}
  env:
    - name: MODEL_TOKEN
      valueFrom:
        secretKeyRef: {name: {{ . }}, key: {{ default "token" $model.tokenKey }}}
  {{- end }}
  resources:
    requests: {cpu: 100m, memory: 128Mi}
    limits: {memory: 512Mi}
  {{- include "fourtower.containerSecurity" $root | nindent 2 }}
  volumeMounts:
    - {name: tmp, mountPath: /tmp}
    - {name: model-{{ $name }}, mountPath: /models/{{ $name }}}
{{- end }}
{{- end }}
{{- end -}}

{{- define "fourtower.modelVolumes" -}}
{{- $root := .root -}}
{{- range $name := .models -}}
{{- $model := index $root.Values.models $name -}}
{{- if eq $model.source "download" }}
- name: model-{{ $name }}
  emptyDir: {sizeLimit: {{ default "2Gi" $model.size }}}
{{- else if eq $model.source "volume" }}
- name: model-{{ $name }}
  persistentVolumeClaim: {claimName: {{ $model.existingClaim }}, readOnly: true}
{{- end }}
{{- end }}
{{- end -}}

{{- define "fourtower.modelMounts" -}}
{{- $root := .root -}}
{{- range $name := .models -}}
{{- $model := index $root.Values.models $name -}}
{{- if has $model.source (list "download" "volume") }}
- name: model-{{ $name }}
  mountPath: /models/{{ $name }}
  readOnly: true
  {{- with $model.subPath }}
  subPath: {{ . }}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}
