//! Asks the nodes of a Redis Cluster which of them is the primary of a slot.
//!
//! All keys of a queue are in one slot ([`super::keys`]), so a queue follows the primary of that one, and needs none of the
//! others. While a slot is moved key by key, its queue waits: no key of it is found in two places (see [`super::script`]).

use std::sync::{Arc, Mutex, PoisonError};

use redis::{AsyncConnectionConfig, Client, ConnectionAddr, RedisError, aio::MultiplexedConnection, cmd};

use super::access::Entrance;
use super::connection::{in_words, is_refusal};
use super::sentinel::{self, ANSWER_TIMEOUT, Address, Failed};

/// How many nodes are asked besides those of the URL, which may all be gone one day.
const LEARNED: usize = 4;

/// A cluster, and the slot that is of interest.
pub(super) struct Cluster {
    slot: u16,
    seeds: Vec<Arc<Node>>,
    learned: Mutex<Vec<(Address, Arc<Node>)>>,
    /// How one gets into each node.
    pub(super) data: Entrance,
}

/// A node that is asked.
struct Node {
    client: Client,
    /// Kept from one question to the next.
    connection: Mutex<Option<MultiplexedConnection>>,
}

/// What a node says.
#[derive(Debug)]
struct View {
    /// The primary of the slot; `None`: it knows none.
    owner: Option<Owner>,
    /// The other nodes that serve.
    nodes: Vec<Address>,
}

/// The primary of a slot, as a node sees it.
#[derive(Debug, Clone)]
struct Owner {
    address: Address,
    /// Grows with each failover, and when a slot moves.
    epoch: u64,
    /// The node does not hear from it.
    is_missed: bool,
    /// Most primaries do not.
    is_failed: bool,
}

impl Cluster {
    pub(super) fn new(slot: u16, seeds: Vec<Client>, data: Entrance) -> Self {
        Self {
            slot,
            seeds: seeds
                .into_iter()
                .map(|client| Arc::new(Node::new(client)))
                .collect(),
            learned: Mutex::default(),
            data,
        }
    }

    /// The nodes that the URL names.
    pub(super) fn seeds(&self) -> impl Iterator<Item = &Client> {
        self.seeds.iter().map(|node| &node.client)
    }

    /// Where the primary of the slot is, by all nodes that answer.
    pub(super) async fn primary(&self) -> Result<Address, Failed> {
        let nodes: Vec<Arc<Node>> = {
            let learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
            self.seeds
                .iter()
                .chain(learned.iter().map(|(_, node)| node))
                .cloned()
                .collect()
        };
        let views = sentinel::answers(nodes.iter().map(|node| self.ask(node))).await;
        views.iter().flatten().for_each(|view| self.learn(&view.nodes));
        agreed(views, self.slot)
    }

    async fn ask(&self, node: &Node) -> Result<View, Failed> {
        let text = node.ask().await.map_err(|error| refused(&error))?;
        read(&text, self.slot, self.data.is_tls, node.host()).ok_or_else(|| Failed {
            why: "a node's answer to CLUSTER NODES cannot be read: correct the hosts in the queue URL".into(),
            is_refusal: false,
        })
    }

    fn learn(&self, nodes: &[Address]) {
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        learned.retain(|(address, _)| nodes.contains(address));
        for address in nodes {
            if learned.len() >= LEARNED {
                return;
            }
            if learned.iter().all(|(known, _)| known != address)
                && let Ok(client) = self.data.client(&address.0, address.1)
            {
                learned.push((address.clone(), Arc::new(Node::new(client))));
            }
        }
    }
}

impl Node {
    fn new(client: Client) -> Self {
        Self {
            client,
            connection: Mutex::default(),
        }
    }

    fn host(&self) -> &str {
        match self.client.get_connection_info().addr() {
            ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host,
            _ => "",
        }
    }

    async fn ask(&self) -> Result<String, RedisError> {
        let known = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let mut connection = if let Some(connection) = known {
            connection
        } else {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(ANSWER_TIMEOUT))
                .set_response_timeout(Some(ANSWER_TIMEOUT));
            self.client
                .get_multiplexed_async_connection_with_config(&config)
                .await?
        };
        let answer = cmd("CLUSTER").arg("NODES").query_async(&mut connection).await?;
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        Ok(answer)
    }
}

/// What stands in an answer to `CLUSTER NODES`. A node may not know its own host: it was reached under `asked`.
fn read(text: &str, slot: u16, is_tls: bool, asked: &str) -> Option<View> {
    let mut view = View {
        owner: None,
        nodes: Vec::new(),
    };
    for line in text.lines().filter(|line| !line.is_empty()) {
        let mut fields = line.split(' ').skip(1);
        let (address, flags) = (fields.next()?, fields.next()?);
        let has = |wanted: &str| flags.split(',').any(|flag| flag == wanted);
        let Some(address) =
            read_address(address, is_tls, asked).filter(|_| !has("noaddr") && !has("handshake"))
        else {
            continue;
        };
        let epoch = fields.nth(3)?.parse().ok()?;
        let mut slots = fields.skip(1);
        if has("master") && slots.any(|part| holds(part, slot)) {
            view.owner = Some(Owner {
                address: address.clone(),
                epoch,
                is_missed: has("fail?"),
                is_failed: has("fail"),
            });
        }
        if !has("myself") && !has("fail") {
            view.nodes.push(address);
        }
    }
    (!view.nodes.is_empty() || view.owner.is_some()).then_some(view)
}

/// `10.0.0.1:6379@16379[,HOSTNAME][,NAME=VALUE…]`.
fn read_address(text: &str, is_tls: bool, asked: &str) -> Option<Address> {
    let (address, rest) = text.split_once(',').unwrap_or((text, ""));
    let (host, port) = address.split('@').next()?.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let name = rest
        .split(',')
        .next()
        .filter(|name| !name.is_empty() && !name.contains('='));
    let host = match name {
        // Certificates are issued for names.
        Some(name) if is_tls || host.is_empty() => name,
        _ if host.is_empty() => asked,
        _ => host.trim_matches(['[', ']']),
    };
    Some((host.to_owned(), port))
}

/// `0-5460` or `5461`. What is being moved, as in `[93-<-…]`, is where it was until it has arrived.
fn holds(part: &str, slot: u16) -> bool {
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    let ends = first.parse::<u16>().ok().zip(last.parse::<u16>().ok());
    ends.is_some_and(|(first, last)| (first..=last).contains(&slot))
}

/// Why a node does not tell.
fn refused(error: &RedisError) -> Failed {
    let why = if is_refusal(error) {
        "a node of the cluster refused the user name or password (the user needs +cluster|nodes, and what the required \
         permissions name)"
            .into()
    } else if error
        .detail()
        .unwrap_or_default()
        .contains("cluster support disabled")
    {
        "a host in the queue URL is not a node of a cluster: write redis:// and its address".into()
    } else {
        format!(
            "no node of the cluster can be asked for the primary: {}",
            in_words(error)
        )
    };
    Failed {
        why,
        is_refusal: is_refusal(error),
    }
}

/// What follows from what the nodes say: those that know of the latest change are right.
fn agreed(views: Vec<Result<View, Failed>>, slot: u16) -> Result<Address, Failed> {
    let failed = |why: String| Failed {
        why,
        is_refusal: false,
    };
    let (known, unknown): (Vec<_>, Vec<_>) = views.into_iter().partition(Result::is_ok);
    if known.is_empty() {
        let unknown: Vec<Failed> = unknown.into_iter().filter_map(Result::err).collect();
        let worst = unknown.iter().find(|why| why.is_refusal).or(unknown.first());
        return Err(worst.cloned().unwrap_or_else(|| {
            failed("no node of the cluster answered in time: see whether they run and can be reached".into())
        }));
    }
    let owners: Vec<Owner> = known
        .into_iter()
        .filter_map(Result::ok)
        .filter_map(|view| view.owner)
        .collect();
    let Some(latest) = owners.iter().max_by_key(|owner| owner.epoch) else {
        return Err(failed(format!(
            "no primary of the cluster serves the hash slot of this queue ({slot}): see CLUSTER INFO, and give its slots to \
             primaries"
        )));
    };
    let same = owners.iter().filter(|owner| owner.epoch == latest.epoch);
    let missed = same
        .clone()
        .filter(|owner| owner.is_missed || owner.is_failed)
        .count();
    if same.clone().any(|owner| owner.is_failed) || missed * 2 > same.count() {
        return Err(failed(
            "the cluster does not hear from the primary, or is replacing it: if this lasts, see the logs of its nodes".into(),
        ));
    }
    Ok(latest.address.clone())
}

#[cfg(test)]
mod tests;
