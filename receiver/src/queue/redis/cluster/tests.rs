use super::*;

/// As Redis 7.0.15 and Valkey 8 write it.
const NODES: &str = "\
07c37dfeb235213a872192d90877d0cd55635b91 127.0.0.1:30004@31004,h4.example slave e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 0 1426238317239 4 connected
67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1 127.0.0.1:30002@31002,h2.example master - 0 1426238316232 2 connected 5461-10922
292f8b365bb7edb5e285caf0b7e6ddc7265d2f4f 127.0.0.1:30003@31003,,shard-id=69bc master,fail? - 0 1426238318243 3 connected 10923-16000 16002-16383 [16001-<-67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1]
6ec23923021cf3ffec47632106199cb7f496ce01 :0@0 slave,noaddr 67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1 0 1426238316232 5 disconnected
e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca :30001@31001,,tls-port=0 myself,master - 0 0 1 connected 0-5460 [12->-x]
aaaa [fd00::5]:30005@31005 slave,fail 67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1 0 1426238316232 5 disconnected
";

fn view(slot: u16, is_tls: bool) -> View {
    read(NODES, slot, is_tls, "asked.example").unwrap()
}

fn owner(slot: u16, is_tls: bool) -> Option<String> {
    let owner = view(slot, is_tls).owner?;
    Some(format!("{}:{}", owner.address.0, owner.address.1))
}

#[test]
fn the_primary_of_a_slot_is_read_from_what_a_node_says() {
    for (slot, is_tls, expected) in [
        (5461, false, Some("127.0.0.1:30002")),
        (10922, true, Some("h2.example:30002")),
        (16000, true, Some("127.0.0.1:30003")),
        // It is being moved there, and has not arrived.
        (16001, false, None),
        (16383, false, Some("127.0.0.1:30003")),
        (0, false, Some("asked.example:30001")),
    ] {
        assert_eq!(owner(slot, is_tls).as_deref(), expected, "{slot}");
    }
    let nodes = view(0, false).nodes;
    assert_eq!(
        nodes.len(),
        3,
        "neither itself, nor those without an address, nor those that are gone: {nodes:?}"
    );
    assert!(read("OK", 0, false, "").is_none() && read("", 0, false, "").is_none());
}

type Said = Result<View, Failed>;

fn says(port: u16, epoch: u64, missed: bool, is_failed: bool) -> View {
    View {
        owner: Some(Owner {
            address: ("h".into(), port),
            epoch,
            is_missed: missed,
            is_failed,
        }),
        nodes: Vec::new(),
    }
}

fn nobody() -> View {
    View {
        owner: None,
        nodes: Vec::new(),
    }
}

fn no(why: &str, is_refusal: bool) -> Failed {
    Failed {
        why: why.into(),
        is_refusal,
    }
}

#[test]
fn the_nodes_that_know_of_the_latest_failover_are_right() {
    let rows: Vec<(Vec<Said>, Result<u16, &str>)> = vec![
        (vec![Ok(says(1, 1, false, false))], Ok(1)),
        // The former primary has not heard yet.
        (
            vec![Ok(says(1, 1, false, false)), Ok(says(2, 7, false, false))],
            Ok(2),
        ),
        (
            vec![
                Ok(says(1, 1, true, true)),
                Ok(says(2, 7, false, false)),
                Ok(nobody()),
            ],
            Ok(2),
        ),
        (
            vec![
                Err(no("broke", false)),
                Ok(says(1, 1, false, false)),
                Err(no("wrong password", true)),
            ],
            Ok(1),
        ),
        // One that does not hear from the primary may be the one that is cut off.
        (
            vec![
                Ok(says(1, 1, true, false)),
                Ok(says(1, 1, false, false)),
                Ok(says(1, 1, false, false)),
            ],
            Ok(1),
        ),
        (
            vec![
                Ok(says(1, 1, true, false)),
                Ok(says(1, 1, true, false)),
                Ok(says(1, 1, false, false)),
            ],
            Err("replacing it"),
        ),
        (
            vec![
                Ok(says(1, 1, false, true)),
                Ok(says(1, 1, false, false)),
                Ok(says(1, 1, false, false)),
            ],
            Err("replacing it"),
        ),
        (vec![Ok(nobody()), Ok(nobody())], Err("(42)")),
        (
            vec![Err(no("broke", false)), Err(no("wrong password", true))],
            Err("wrong password"),
        ),
        (vec![Err(no("broke", false))], Err("broke")),
        (vec![], Err("answered in time")),
    ];
    for (views, expected) in rows {
        let shown = format!("{views:?}");
        match (agreed(views, 42), expected) {
            (Ok((_, port)), Ok(expected)) => assert_eq!(port, expected, "{shown}"),
            (Err(failed), Err(expected)) => assert!(failed.why.contains(expected), "{shown}: {failed:?}"),
            (outcome, _) => panic!("{shown}: {outcome:?}"),
        }
    }
}
