//! Whether an Ingress or HTTPRoute leads anywhere: only its status says so. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::Ingress;
use kube::api::DynamicObject;
use serde_json::Value;

use crate::names::MANAGER;

/// The class of an Ingress, and whether the operator has written it, or the API server, which fills in the cluster's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Class {
    pub name: Option<String>,
    pub is_ours: bool,
}

impl Class {
    /// From an Ingress.
    pub fn of(ingress: &Ingress) -> Self {
        let ours = ingress.metadata.managed_fields.iter().flatten();
        let mut ours = ours.filter(|entry| entry.manager.as_deref() == Some(MANAGER));
        let field = "/f:spec/f:ingressClassName";
        Self {
            name: ingress
                .spec
                .as_ref()
                .and_then(|spec| spec.ingress_class_name.clone()),
            is_ours: ours.any(|entry| {
                let fields = entry.fields_v1.as_ref();
                fields.is_some_and(|fields| fields.0.pointer(field).is_some())
            }),
        }
    }

    /// Whether another controller is to serve the Ingress. The address of the former one would stay in its status, because
    /// nobody but that one removes it; and a default class is only filled in when an Ingress is made.
    pub fn is_left_for(&self, wanted: Option<&str>) -> bool {
        match wanted {
            Some(_) => self.name.as_deref() != wanted,
            None => self.is_ours && self.name.is_some(),
        }
    }
}

/// What an edge says of a webhook's Ingress or HTTPRoute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edge {
    /// It has taken it, at this address if it says one.
    Serves(Option<String>),
    /// Nobody has taken it yet, and what to look at.
    Untaken(String),
    /// It was refused: why.
    Refused(String),
}

impl Edge {
    /// From an Ingress.
    pub fn of_ingress(ingress: &Ingress) -> Self {
        let balancers = ingress
            .status
            .as_ref()
            .and_then(|status| status.load_balancer.as_ref()?.ingress.as_ref());
        let address = balancers.into_iter().flatten().find_map(|balancer| {
            balancer
                .hostname
                .clone()
                .or_else(|| balancer.ip.clone())
                .filter(|address| !address.is_empty())
        });
        match address {
            Some(address) => Self::Serves(Some(address)),
            None => Self::Untaken(
                "the Ingress has no address: no ingress controller has taken it; check spec.ingress.className, and that the \
                 controller runs and publishes its address in the status of Ingresses"
                    .to_owned(),
            ),
        }
    }

    /// From an HTTPRoute.
    pub fn of_route(route: &DynamicObject) -> Self {
        let list = |place: &str| {
            route
                .data
                .pointer(place)
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default()
        };
        let parents = list("/status/parents");
        let wanted = list("/spec/parentRefs");
        let namespace = route.metadata.namespace.clone().unwrap_or_default();
        let generation = route.metadata.generation.unwrap_or_default();
        for parent in &wanted {
            let name = text(parent, "name");
            // A Gateway may name more in its own reference than the route does: a group, a kind, a namespace.
            let Some(answer) = parents.iter().find(|answer| {
                answer
                    .get("parentRef")
                    .is_some_and(|of| is_same(of, parent, &namespace))
            }) else {
                return Self::Untaken(format!(
                    "no controller has taken the HTTPRoute for Gateway {name}; check that the Gateway of spec.gateway.parentRefs \
                     exists and is programmed"
                ));
            };
            let said = conditions(answer, generation);
            for type_ in ["Accepted", "ResolvedRefs"] {
                match said.get(type_) {
                    Some((status, _)) if status == "True" => {}
                    Some((_, why)) => {
                        return Self::Refused(format!(
                            "Gateway {name} does not serve the HTTPRoute ({type_}): {why}"
                        ));
                    }
                    // Not every controller writes it.
                    None if type_ == "ResolvedRefs" => {}
                    None => {
                        return Self::Untaken(format!("Gateway {name} has not accepted the HTTPRoute yet"));
                    }
                }
            }
        }
        Self::Serves(None)
    }
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Whether two references of a route are to one listener: of a Gateway in the route's namespace, unless they name another.
fn is_same(a: &Value, b: &Value, namespace: &str) -> bool {
    let place = |parent: &Value| {
        let of = text(parent, "namespace");
        if of.is_empty() {
            namespace.to_owned()
        } else {
            of.to_owned()
        }
    };
    text(a, "name") == text(b, "name")
        && place(a) == place(b)
        && text(a, "sectionName") == text(b, "sectionName")
        && a.get("port") == b.get("port")
}

/// What a parent says of this generation: status and message by type.
fn conditions(answer: &Value, generation: i64) -> BTreeMap<String, (String, String)> {
    let all = answer.get("conditions").and_then(Value::as_array);
    let text = |condition: &Value, field: &str| text(condition, field).to_owned();
    all.into_iter()
        .flatten()
        .filter(|condition| {
            let observed = condition.get("observedGeneration").and_then(Value::as_i64);
            observed.is_none_or(|observed| observed >= generation)
        })
        .map(|condition| {
            let message = text(condition, "message");
            let why = if message.is_empty() {
                text(condition, "reason")
            } else {
                message
            };
            (text(condition, "type"), (text(condition, "status"), why))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_ingress_is_served_at_the_address_that_its_controller_wrote() {
        for (case, status, expected) in [
            ("nobody took it", json!({}), None),
            ("an empty list", json!({"loadBalancer": {"ingress": []}}), None),
            (
                "an address",
                json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}),
                Some("192.0.2.7"),
            ),
            (
                "a name",
                json!({"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}]}}),
                Some("lb.example.com"),
            ),
        ] {
            let ingress = serde_json::from_value(json!({"metadata": {}, "status": status})).unwrap();
            let served = match Edge::of_ingress(&ingress) {
                Edge::Serves(address) => address,
                _ => None,
            };
            assert_eq!(served.as_deref(), expected, "{case}");
        }
    }

    #[test]
    fn an_ingress_whose_class_changes_is_made_anew() {
        let class = |name: Option<&str>, is_ours| Class {
            name: name.map(str::to_owned),
            is_ours,
        };
        for (case, now, wanted, left) in [
            ("the same", class(Some("a"), true), Some("a"), false),
            ("another", class(Some("a"), true), Some("b"), true),
            (
                "one instead of the default",
                class(Some("a"), false),
                Some("b"),
                true,
            ),
            ("one instead of none", class(None, false), Some("b"), true),
            (
                "the cluster's default, filled in",
                class(Some("a"), false),
                None,
                false,
            ),
            ("the default again", class(Some("a"), true), None, true),
            ("none", class(None, false), None, false),
        ] {
            assert_eq!(now.is_left_for(wanted), left, "{case}");
        }
    }

    #[test]
    fn each_listener_of_each_gateway_answers_for_itself() {
        let says =
            |status: &str| json!([{"type": "Accepted", "status": status, "reason": "R", "message": "m"}]);
        let here = json!({"name": "g", "namespace": "n"});
        let there = json!({"name": "g", "namespace": "infra"});
        let (a, b) = (
            json!({"name": "g", "sectionName": "a"}),
            json!({"name": "g", "sectionName": "b"}),
        );
        let implied = json!({"name": "g"});
        for (case, wanted, answers, serves) in [
            (
                "a listener refused",
                vec![&a, &b],
                vec![(&a, "True"), (&b, "False")],
                false,
            ),
            (
                "both accepted",
                vec![&a, &b],
                vec![(&b, "True"), (&a, "True")],
                true,
            ),
            (
                "the Gateway of another namespace refused",
                vec![&implied, &there],
                vec![(&here, "True"), (&there, "False")],
                false,
            ),
            (
                "the namespace goes without saying",
                vec![&implied],
                vec![(&here, "True")],
                true,
            ),
        ] {
            let parents: Vec<Value> = answers
                .into_iter()
                .map(|(parent, status)| json!({"parentRef": parent, "conditions": says(status)}))
                .collect();
            let route: DynamicObject = serde_json::from_value(json!({
                "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
                "metadata": {"name": "r", "namespace": "n", "generation": 2},
                "spec": {"parentRefs": wanted}, "status": {"parents": parents},
            }))
            .unwrap();
            assert_eq!(Edge::of_route(&route) == Edge::Serves(None), serves, "{case}");
        }
    }

    #[test]
    fn a_route_is_served_when_each_of_its_gateways_accepts_this_generation() {
        let parent = |name: &str, conditions: Value| json!({"parentRef": {"name": name, "group": "g"}, "conditions": conditions});
        let says = |type_: &str, status: &str, generation: i64| json!({"type": type_, "status": status, "reason": "R", "message": "m", "observedGeneration": generation});
        let yes = json!([says("Accepted", "True", 2), says("ResolvedRefs", "True", 2)]);
        #[rustfmt::skip]
        let table = [
            ("nobody answered", vec![], "untaken"),
            ("one of two", vec![parent("a", yes.clone())], "untaken"),
            ("both", vec![parent("b", yes.clone()), parent("a", yes.clone())], "serves"),
            ("refused", vec![parent("a", yes.clone()), parent("b", json!([says("Accepted", "False", 2)]))], "refused"),
            ("no backend", vec![parent("a", yes.clone()), parent("b", json!([says("Accepted", "True", 2), says("ResolvedRefs", "False", 2)]))], "refused"),
            ("an earlier generation", vec![parent("a", yes.clone()), parent("b", json!([says("Accepted", "True", 1)]))], "untaken"),
        ];
        for (case, parents, expected) in table {
            let route: DynamicObject = serde_json::from_value(json!({
                "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
                "metadata": {"name": "r", "generation": 2},
                "spec": {"parentRefs": [{"name": "a"}, {"name": "b"}]},
                "status": {"parents": parents},
            }))
            .unwrap();
            let found = match Edge::of_route(&route) {
                Edge::Serves(_) => "serves",
                Edge::Untaken(_) => "untaken",
                Edge::Refused(_) => "refused",
            };
            assert_eq!(found, expected, "{case}");
        }
    }
}
