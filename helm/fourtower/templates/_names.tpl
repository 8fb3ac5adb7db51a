{{/* Names, labels, images: what every object has. */}}

{{- define "fourtower.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 34 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 34 characters, so that the longest name with a hash behind it fits into a label. */}}
{{- define "fourtower.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 34 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "fourtower.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 34 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 34 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What pods are found by; never changes during the life of a release. Takes (dict "root" $ "component" "search"). */}}
{{- define "fourtower.selectors" -}}
app.kubernetes.io/name: {{ include "fourtower.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- with .generation }}
fourtower/generation: {{ . }}
{{- end }}
{{- with .pool }}
fourtower/pool: {{ . }}
{{- end }}
{{- end -}}

{{- define "fourtower.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: fourtower
{{ include "fourtower.selectors" . }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Metadata of an object: (dict "root" $ "name" "..." "component" "..." "annotations" dict "more" labels). */}}
{{- define "fourtower.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "fourtower.labels" . | nindent 2 }}
  {{- with .more }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (default (dict) .annotations) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/*
Labels and annotations of a pod. The chart's version is not among them: a newer chart that changes nothing of a pod should
not replace it. (dict "root" $ "component" "..." "own" the workload's values "checksum" "...")
*/}}
{{- define "fourtower.podMetadata" -}}
labels:
  {{- include "fourtower.selectors" . | nindent 2 }}
  {{- with .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- range $name, $value := .marks }}
  {{ $name }}: {{ $value | quote }}
  {{- end }}
  {{- with (default (dict) .own).podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  fourtower/secrets-revision: {{ .root.Values.secretsRevision | quote }}
  {{- with .checksum }}
  checksum/config: {{ . }}
  {{- end }}
  {{- with (default (dict) .own).podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* An image's name: (dict "root" $ "which" "search"). */}}
{{- define "fourtower.image" -}}
{{- $all := .root.Values.images -}}
{{- $own := index $all .which -}}
{{- $registry := default $all.registry $own.registry -}}
{{- $tag := default (default .root.Chart.AppVersion $all.tag) $own.tag -}}
{{- with $registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- $own.repository -}}
{{- if $own.digest }}@{{ $own.digest }}{{ else }}:{{ $tag }}{{ end -}}
{{- end -}}

{{- define "fourtower.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "fourtower.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}
