{{/* Parts of pod specifications that all workloads share. */}}

{{/* Security of a container; the restricted profile asks for all of it. */}}
{{- define "fourtower.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{/* Text without spaces in its empty lines, which indenting puts there. */}}
{{- define "fourtower.tidy" -}}
{{- regexReplaceAll "(?m)^ +$" . "" -}}
{{- end -}}

{{/* A script as a block of text: (dict "root" $ "file" "seed.py" "indent" 10). */}}
{{- define "fourtower.script" -}}
{{- .root.Files.Get (printf "files/%s" .file) | trim | nindent (int .indent) -}}
{{- end -}}

{{/*
The beginning of a pod's spec: (dict "root" $ "own" the workload's values "grace" seconds).
Service links are off: a Service called fourtower-service would set FOURTOWER_SERVICE_PORT to something that is no port.
*/}}
{{- define "fourtower.podSpec" -}}
{{- $security := .root.Values.security -}}
serviceAccountName: {{ default (include "fourtower.serviceAccount" .root) .account }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  {{- if ne $security.runAsUser nil }}
  runAsUser: {{ int64 $security.runAsUser }}
  {{- end }}
  {{- if ne $security.runAsGroup nil }}
  runAsGroup: {{ int64 $security.runAsGroup }}
  {{- end }}
  {{- if ne $security.fsGroup nil }}
  fsGroup: {{ int64 $security.fsGroup }}
  {{- end }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .grace }}
terminationGracePeriodSeconds: {{ . }}
{{- end }}
{{- with .own.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .own.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Spread over topologies: (dict "own" values "keys" (list "kubernetes.io/hostname") "selectors" "the pods' labels"). */}}
{{- define "fourtower.spread" -}}
topologySpreadConstraints:
{{- with .own.topologySpreadConstraints }}
  {{- toYaml . | nindent 2 }}
{{- else }}
{{- $selectors := .selectors }}
{{- range .keys }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- $selectors | nindent 8 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A container's name, image and command: (dict "root" $ "name" "search" "image" which "own" values). */}}
{{- define "fourtower.container" -}}
name: {{ .name }}
image: {{ include "fourtower.image" (dict "root" .root "which" .image) }}
imagePullPolicy: {{ .root.Values.images.pullPolicy }}
{{ include "fourtower.containerSecurity" .root }}
{{- with (default (dict) .own).extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/*
Volumes: (dict "root" $ "own" values "tmp" size "models" names "certificates" (list "kafka" "redis" "milvus") "pictures" true).
A certificate is mounted only where it is read.
*/}}
{{- define "fourtower.volumes" -}}
{{- $root := .root -}}
- name: tmp
  emptyDir: {sizeLimit: {{ default "1Gi" .tmp }}}
{{- include "fourtower.modelVolumes" (dict "root" $root "models" (default list .models)) }}
{{- range .certificates }}
{{- $tls := (index $root.Values .).tls }}
{{- if $tls.existingSecret }}
- name: {{ . }}-tls
  secret:
    secretName: {{ $tls.existingSecret }}
    defaultMode: 0440
    items:
      {{- if $tls.caKey }}
      - {key: {{ $tls.caKey }}, path: ca.crt}
      {{- end }}
      {{- if $tls.certificateKey }}
      - {key: {{ $tls.certificateKey }}, path: tls.crt}
      {{- end }}
      {{- if $tls.privateKeyKey }}
      - {key: {{ $tls.privateKeyKey }}, path: tls.key}
      {{- end }}
{{- end }}
{{- end }}
{{- if and .pictures $root.Values.pictures.volume.existingClaim }}
- name: pictures
  persistentVolumeClaim: {claimName: {{ $root.Values.pictures.volume.existingClaim }}, readOnly: true}
{{- end }}
{{- with (default (dict) .own).extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Mounts of the same volumes, with the same arguments. */}}
{{- define "fourtower.mounts" -}}
{{- $root := .root -}}
- {name: tmp, mountPath: /tmp}
{{- include "fourtower.modelMounts" (dict "root" $root "models" (default list .models)) }}
{{- range .certificates }}
{{- if (index $root.Values .).tls.existingSecret }}
- {name: {{ . }}-tls, mountPath: /etc/fourtower/{{ . }}, readOnly: true}
{{- end }}
{{- end }}
{{- if and .pictures $root.Values.pictures.volume.existingClaim }}
- name: pictures
  mountPath: /pictures
  readOnly: true
  {{- with $root.Values.pictures.volume.subPath }}
  subPath: {{ . }}
  {{- end }}
{{- end }}
{{- with (default (dict) .own).extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Waits until a generation that is not live exists: (dict "root" $ "generation" ... "image" which). */}}
{{- define "fourtower.awaitGeneration" -}}
{{- $mounts := dict "root" .root "certificates" (list "milvus") -}}
- name: await-generation
  image: {{ include "fourtower.image" (dict "root" .root "which" .image) }}
  imagePullPolicy: {{ .root.Values.images.pullPolicy }}
  command:
    - python
    - -c
    - |
      {{- include "fourtower.script" (dict "root" .root "file" "await_generation.py" "indent" 6) }}
  env:
    {{- $index := include "fourtower.indexEnv" (dict "root" .root "role" "reader" "generation" .generation) }}
    {{- print $index (include "fourtower.commonEnv" (dict "root" .root)) | trim | nindent 4 }}
  resources:
    requests: {cpu: 50m, memory: 128Mi}
    limits: {memory: 512Mi}
  {{- include "fourtower.containerSecurity" .root | nindent 2 }}
  volumeMounts:
    {{- include "fourtower.mounts" $mounts | nindent 4 }}
{{- end -}}

{{/* The probes that answer over HTTP on the port of metrics: (dict "startup" failures). Startup looks every 5 seconds. */}}
{{- define "fourtower.httpProbes" -}}
startupProbe:
  httpGet: {path: /livez, port: metrics}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: {{ .startup }}
livenessProbe:
  httpGet: {path: /livez, port: metrics}
  periodSeconds: 15
  timeoutSeconds: 5
  failureThreshold: 4
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end -}}

{{/*
What runs before a pod's container, at the indentation of its spec: (dict "root" $ "models" names "image" which "indent" 6),
and "generation" where one that is not live yet is waited for. Nothing where there is nothing to do.
*/}}
{{- define "fourtower.initContainers" -}}
{{- $parts := list -}}
{{- if and .generation (not (default (dict "live" true) .generation).live) -}}
{{- $parts = append $parts (include "fourtower.awaitGeneration" .) -}}
{{- end -}}
{{- $parts = append $parts (include "fourtower.modelFetchers" (dict "root" .root "models" (default list .models) "image" .image)) -}}
{{- with join "\n" $parts | trim -}}
{{- $text := printf "initContainers:%s" (nindent 2 .) | nindent (int $.indent) -}}
{{- include "fourtower.tidy" $text -}}
{{- end -}}
{{- end -}}
