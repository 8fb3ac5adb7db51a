{{/* Who may talk to whom: rules of NetworkPolicies. */}}

{{/* Whether one of the models is downloaded: (dict "root" $ "models" names) gives "true" or nothing. */}}
{{- define "fourtower.downloads" -}}
{{- $root := .root -}}
{{- $found := list -}}
{{- range .models -}}
{{- if eq (index $root.Values.models .).source "download" -}}{{- $found = append $found . -}}{{- end -}}
{{- end -}}
{{- if $found -}}true{{- end -}}
{{- end -}}

{{/* Peers and ports of one destination, as an egress rule: (dict "way" values "protocols" list). */}}
{{- define "fourtower.egressRule" -}}
- to:
    {{- toYaml .way.to | nindent 4 }}
  ports:
    {{- range $port := .way.ports }}
    {{- range $.protocols }}
    - {protocol: {{ . }}, port: {{ int $port }}}
    {{- end }}
    {{- end }}
{{- end -}}

{{/* Egress rules: (dict "root" $ "to" (list "dns" "kafka" "redis" "milvus" "images" "models" "extra") "models" names). */}}
{{- define "fourtower.egress" -}}
{{- $root := .root -}}
{{- $policy := $root.Values.networkPolicy -}}
{{- $models := default list .models -}}
{{- range .to }}
{{- if eq . "dns" }}
{{ include "fourtower.egressRule" (dict "way" $policy.dns "protocols" (list "UDP" "TCP")) }}
{{- else if eq . "extra" }}
{{- with $policy.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- else if or (ne . "models") (include "fourtower.downloads" (dict "root" $root "models" $models)) }}
{{ include "fourtower.egressRule" (dict "way" (index $policy .) "protocols" (list "TCP")) }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A policy that lets some pods talk to some destinations: (dict "root" $ "name" "..." "pods" "labels" "to" list "models" names). */}}
{{- define "fourtower.egressPolicy" -}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "fourtower.metadata" (dict "root" .root "name" (printf "%s-%s" (include "fourtower.fullname" .root) .name)) | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- .pods | nindent 6 }}
  policyTypes: [Egress]
  egress:
    {{- include "fourtower.egress" . | trim | nindent 4 }}
{{ end -}}
