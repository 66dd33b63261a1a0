//! What a node says of the cluster.

use anyhow::{Context, Result};

use crate::redis_server::RedisServer;
use crate::sentinel::connect;

/// An answer to `CLUSTER NODES`.
pub(super) struct Nodes(Vec<Node>);

struct Node {
    id: String,
    port: u16,
    flags: Vec<String>,
    follows: String,
    epoch: u64,
    is_connected: bool,
    has_slots: bool,
}

impl Nodes {
    pub(super) fn ask(server: &RedisServer) -> Result<Self> {
        let text: String = redis::cmd("CLUSTER")
            .arg("NODES")
            .query(&mut connect(&server.client()?)?)?;
        let nodes: Option<Vec<Node>> = text.lines().map(Node::read).collect();
        Ok(Self(nodes.context("an answer that cannot be read")?))
    }

    pub(super) fn count(&self) -> usize {
        self.0.iter().filter(|node| !node.is("handshake")).count()
    }

    pub(super) fn own_id(&self) -> Result<String> {
        let own = self.0.iter().find(|node| node.is("myself"));
        Ok(own.context("a node that knows itself")?.id.clone())
    }

    /// The latest that it has heard of.
    pub(super) fn epoch(&self) -> u64 {
        self.0.iter().map(|node| node.epoch).max().unwrap_or(0)
    }

    /// The ports of the primaries that serve, in order.
    pub(super) fn primaries(&self) -> Vec<u16> {
        let serving = self
            .0
            .iter()
            .filter(|node| node.is("master") && node.has_slots && !node.is("fail"));
        let mut ports: Vec<u16> = serving.map(|node| node.port).collect();
        ports.sort_unstable();
        ports
    }

    pub(super) fn replica_of(&self, port: u16) -> Option<u16> {
        let primary = self.0.iter().find(|node| node.port == port)?;
        self.0
            .iter()
            .find(|node| node.follows == primary.id)
            .map(|node| node.port)
    }

    /// It hears from all of them.
    pub(super) fn is_whole(&self) -> bool {
        let well =
            |node: &Node| (node.is_connected || node.is("myself")) && !node.is("fail") && !node.is("fail?");
        self.0.iter().all(well)
    }
}

impl Node {
    /// `ID HOST:PORT@BUS[,…] FLAGS PRIMARY PING PONG EPOCH LINK [SLOTS…]`.
    fn read(line: &str) -> Option<Self> {
        let mut fields = line.split(' ');
        let id = fields.next()?.to_owned();
        let port = fields
            .next()?
            .split('@')
            .next()?
            .rsplit_once(':')?
            .1
            .parse()
            .ok()?;
        let flags = fields.next()?.split(',').map(str::to_owned).collect();
        let follows = fields.next()?.to_owned();
        let epoch = fields.nth(2)?.parse().ok()?;
        let is_connected = fields.next()? == "connected";
        Some(Self {
            id,
            port,
            flags,
            follows,
            epoch,
            is_connected,
            has_slots: fields.next().is_some(),
        })
    }

    fn is(&self, flag: &str) -> bool {
        self.flags.iter().any(|of| of == flag)
    }
}
