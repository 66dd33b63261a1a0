{{/* The rights that the operator needs, as in operator/src/rbac.rs; a test compares. */}}
{{- define "leadgate.rules.watched" -}}
# Read webhooks and receivers; set and remove the finalizer.
- apiGroups: [leadgate.dev]
  resources: [leadwebhooks, leadreceivers]
  verbs: [list, watch, patch]
# Read the sinks.
- apiGroups: [leadgate.dev]
  resources: [crmsinks]
  verbs: [list, watch]
# Write what became of them.
- apiGroups: [leadgate.dev]
  resources: [leadwebhooks/status, leadreceivers/status, crmsinks/status]
  verbs: [patch]
# Watch the metadata of Secrets, read those that resources name and copy the named keys for the receivers, create admin
# tokens, Redis passwords and generated keys; remove the operator's own.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch, delete]
# What receivers and Redis consist of.
- apiGroups: [""]
  resources: [configmaps, services, serviceaccounts]
  verbs: [get, list, watch, create, patch, delete]
# Say why pods do not start; ask them for figures; annotate them, so that they see a new configuration at once.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, patch]
# Enlarge the volume of the managed Redis.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, patch]
# Say why the pod of the managed Redis cannot be made.
- apiGroups: [""]
  resources: [events]
  verbs: [list]
# See whether a namespace is being deleted.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
# The receivers and the managed Redis.
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [get, list, watch, create, patch, delete]
# Who may reach them.
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
# How senders reach them.
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [get, list, watch, create, patch, delete]
# How many pods may be away.
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
# The number of pods, by load.
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
# How senders reach them through a Gateway.
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, watch, create, patch, delete]
# See whether the class of an Ingress exists.
- apiGroups: [networking.k8s.io]
  resources: [ingressclasses]
  verbs: [get]
# See whether a Gateway exists and works.
- apiGroups: [gateway.networking.k8s.io]
  resources: [gateways]
  verbs: [get]
# See whether the class of a volume exists.
- apiGroups: [storage.k8s.io]
  resources: [storageclasses]
  verbs: [get]
# See whether the class of pods exists.
- apiGroups: [scheduling.k8s.io]
  resources: [priorityclasses]
  verbs: [get]
# See whether another installation that claimed the namespace still works.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get]
# Tell people what changed.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{- define "leadgate.rules.leaderElection" -}}
# One leader among several operators.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, create, update]
{{- end -}}

{{/* What people who work with leads may do in the console: see them, replay and decide, discard; pause sinks. */}}
{{- define "leadgate.acts" -}}
- apiGroups: [leadgate.dev]
  resources: [leadwebhooks/leads]
  verbs: [get, update, delete]
- apiGroups: [leadgate.dev]
  resources: [crmsinks/pause]
  verbs: [update]
{{- end -}}

{{/* The rights of the console itself, in each namespace that it shows. */}}
{{- define "leadgate.rules.console" -}}
# See which namespaces have webhooks, and where their senders post to.
- apiGroups: [leadgate.dev]
  resources: [leadwebhooks]
  verbs: [list]
# Read the admin tokens of receivers, and no other Secret.
- apiGroups: [""]
  resources: [secrets]
  resourceNames:
    {{- range .Values.console.receivers }}
    - leadgate-admin-{{ . }}
    {{- end }}
  verbs: [get]
{{- end -}}

{{- define "leadgate.rules.reviews" -}}
# Ask who a visitor is and what they may do.
- apiGroups: [authentication.k8s.io]
  resources: [tokenreviews]
  verbs: [create]
- apiGroups: [authorization.k8s.io]
  resources: [subjectaccessreviews]
  verbs: [create]
{{- end -}}
