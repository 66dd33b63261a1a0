{{/* The first line of each template: a value that is missing (`--reuse-values` after a value was added, `--set x=null`) gets its
default. Only in `resources` and security contexts null removes what is there. files/values.yaml is a copy of values.yaml,
which templates cannot read. */}}
{{- define "leadgate.defaults" -}}
{{- include "leadgate.fill" (list .Values (.Files.Get "files/values.yaml" | fromYaml)) -}}
{{- end -}}

{{- define "leadgate.fill" -}}
{{- $given := index . 0 -}}
{{- range $name, $default := index . 1 -}}
{{- if kindIs "invalid" (index $given $name) -}}
{{- $_ := set $given $name $default -}}
{{- else if and (kindIs "map" $default) (not (has $name (list "resources" "podSecurityContext" "securityContext"))) -}}
{{- include "leadgate.fill" (list (index $given $name) $default) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* At most 52 characters, so that every suffix fits into 63; what is longer is cut, with a digest of the whole. */}}
{{- define "leadgate.short" -}}
{{- if gt (len .) 52 -}}
{{- printf "%s-%s" (. | trunc 43 | trimSuffix "-") (sha256sum . | trunc 8) -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{- define "leadgate.name" -}}
{{- default "leadgate-operator" .Values.nameOverride -}}
{{- end -}}

{{- define "leadgate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- include "leadgate.short" .Values.fullnameOverride -}}
{{- else if eq .Release.Name "leadgate" -}}
{{- include "leadgate.short" (include "leadgate.name" .) -}}
{{- else -}}
{{- include "leadgate.short" (printf "%s-%s" .Release.Name (include "leadgate.name" .)) -}}
{{- end -}}
{{- end -}}

{{- define "leadgate.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "leadgate.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* They never change: a Deployment's selector is immutable. */}}
{{- define "leadgate.selector" -}}
app.kubernetes.io/name: {{ include "leadgate.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "leadgate.labels" -}}
{{- include "leadgate.labelsOf" (list . "operator" (include "leadgate.selector" .)) -}}
{{- end -}}

{{/* All labels of a part: (list . <component> <selector> <more, optional>). Of two with one key, the chart's own wins, then that of
the more particular value. */}}
{{- define "leadgate.labelsOf" -}}
{{- $root := index . 0 -}}
{{- $own := dict
    "app.kubernetes.io/component" (index . 1)
    "app.kubernetes.io/part-of" "leadgate"
    "app.kubernetes.io/version" $root.Chart.AppVersion
    "app.kubernetes.io/managed-by" $root.Release.Service
    "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63) -}}
{{- $more := list -}}
{{- if gt (len .) 3 -}}
{{- $more = index . 3 -}}
{{- end -}}
{{- $labels := merge (dict) (index . 2 | fromYaml) $own -}}
{{- range $more -}}
{{- $labels = merge $labels . -}}
{{- end -}}
{{- toYaml (merge $labels $root.Values.commonLabels) -}}
{{- end -}}

{{/* `leadgate-console`, or <release>-leadgate-console; of a name that was chosen, <name>-console. */}}
{{- define "leadgate.console" -}}
{{- if or .Values.nameOverride .Values.fullnameOverride -}}
{{- printf "%s-console" (include "leadgate.fullname" .) -}}
{{- else if eq .Release.Name "leadgate" -}}
leadgate-console
{{- else -}}
{{- include "leadgate.short" (printf "%s-leadgate-console" .Release.Name) -}}
{{- end -}}
{{- end -}}

{{- define "leadgate.console.selector" -}}
app.kubernetes.io/name: leadgate-console
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* Name, labels and annotations of an object of the console: (list . <annotations> <namespace>). */}}
{{- define "leadgate.console.metadata" -}}
{{- $root := index . 0 -}}
{{- /* Of several installations, each with namespaces of its own, each has its own. */}}
name: {{ include "leadgate.console" $root }}{{ if and (not (index . 2)) $root.Values.watchNamespaces }}-{{ $root.Release.Namespace }}{{ end }}
{{- with index . 2 }}
namespace: {{ . | quote }}
{{- end }}
labels:
  {{- include "leadgate.labelsOf" (list $root "console" (include "leadgate.console.selector" $root)) | nindent 2 }}
{{- with merge (dict) (index . 1) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Where operator and console connect to. */}}
{{- define "leadgate.egress" -}}
# DNS, also where its pods listen on another port (OpenShift) or on the node.
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
    - {port: 5353, protocol: UDP}
    - {port: 5353, protocol: TCP}
# The API server: a policy sees the port behind its Service.
- ports:
    {{- range .Values.networkPolicy.apiServerPorts }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
# The receivers' admin port.
- to:
    - namespaceSelector: {}
      podSelector:
        matchLabels: {app.kubernetes.io/name: leadgate-receiver}
  ports: [{port: 9090, protocol: TCP}]
{{- end -}}

{{/* Name, labels and annotations of an object: (list . <suffix of the name> <annotations> <namespace>). */}}
{{- define "leadgate.metadata" -}}
{{- $root := index . 0 -}}
name: {{ include "leadgate.fullname" $root }}{{ index . 1 }}
{{- with index . 3 }}
namespace: {{ . | quote }}
{{- end }}
labels:
  {{- include "leadgate.labels" $root | nindent 2 }}
{{- with merge (dict) (index . 2) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The head of a ClusterRole for people: (list . <name> <roles of Kubernetes that contain it>). */}}
{{- define "leadgate.persona" -}}
{{- $root := index . 0 -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ include "leadgate.fullname" $root }}-{{ index . 1 }}
  labels:
    {{- include "leadgate.labels" $root | nindent 4 }}
    {{- if $root.Values.rbac.aggregate }}
    {{- range index . 2 }}
    rbac.authorization.k8s.io/aggregate-to-{{ . }}: "true"
    {{- end }}
    {{- end }}
  {{- with $root.Values.commonAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* repository:tag or repository@digest: (list <image> <tag without one>). */}}
{{- define "leadgate.imageOf" -}}
{{- $image := index . 0 -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default (index . 1) $image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "leadgate.image" -}}
{{- include "leadgate.imageOf" (list .Values.image .Chart.AppVersion) -}}
{{- end -}}

{{/* What is not said of the receivers' image is as for the operator's. */}}
{{- define "leadgate.receiverImage" -}}
{{- $given := .Values.receiver.image -}}
{{- if or $given.repository $given.tag $given.digest -}}
{{- $own := dict "repository" (default .Values.image.repository $given.repository) "tag" $given.tag "digest" $given.digest -}}
{{- include "leadgate.imageOf" (list $own (default .Chart.AppVersion .Values.image.tag)) -}}
{{- else -}}
{{- include "leadgate.image" . -}}
{{- end -}}
{{- end -}}

{{/* The names of the Secrets that images are pulled with, of a parent chart and of this one, separated by commas. */}}
{{- define "leadgate.pullSecrets" -}}
{{- $names := list -}}
{{- range concat (default list (.Values.global).imagePullSecrets) .Values.image.pullSecrets -}}
{{- $names = append $names (kindIs "map" . | ternary . (dict "name" .)).name -}}
{{- end -}}
{{- uniq $names | join "," -}}
{{- end -}}
