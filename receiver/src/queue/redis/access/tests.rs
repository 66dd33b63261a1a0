use super::*;

fn parse(url: &str) -> Target {
    target(url, &OpenOptions::default()).unwrap()
}

fn sentinels(url: &str) -> Arc<Watched> {
    match parse(url) {
        Target::Sentinels(watched) => watched,
        _ => panic!("{url}"),
    }
}

#[test]
fn another_server_is_told_from_another_password() {
    let known = parse("redis://default:a@redis.example:6379/0");
    for (url, same) in [
        ("redis://default:b@redis.example:6379/0", true),
        ("redis://someone:b@redis.example:6379", true),
        ("redis://redis.example", true),
        ("redis://default:a@redis.example:6380/0", false),
        ("redis://default:a@other.example:6379/0", false),
        ("redis://default:a@redis.example:6379/1", false),
        ("rediss://default:a@redis.example:6379/0", false),
        ("redis://default:a@redis.example:6379/0?protocol=resp3", false),
        ("redis+sentinel://redis.example:6379/main", false),
    ] {
        assert_eq!(is_same_store(&known, &parse(url)), same, "{url}");
    }
}

#[test]
fn another_primary_or_other_sentinels_are_told_from_another_password() {
    let known = parse("redis+sentinel://u:a@one,two:26379/main?sentinelPassword=s");
    for (url, same) in [
        ("redis+sentinel://u:b@one,two/main?sentinelPassword=t", true),
        ("redis+sentinel://two,one/main/0", true),
        ("redis+sentinel://one/main", false),
        ("redis+sentinel://one,two,three/main", false),
        ("redis+sentinel://one,two:1/main", false),
        ("redis+sentinel://one,two/other", false),
        ("redis+sentinel://one,two/main/1", false),
        ("redis+sentinel://one,two/main?protocol=resp3", false),
        ("rediss+sentinel://one,two/main", false),
    ] {
        assert_eq!(is_same_store(&known, &parse(url)), same, "{url}");
    }
}

#[test]
fn a_host_may_be_an_ipv6_address() {
    let Target::Direct(client) = parse("redis://:p@[fd00::1]:6380/2") else {
        panic!("a plain URL");
    };
    let info = client.get_connection_info();
    assert_eq!(info.addr(), &ConnectionAddr::Tcp("fd00::1".into(), 6380));
    assert_eq!(info.redis_settings().db(), 2);
    let watched = sentinels("redis+sentinel://[fd00::1],[fd00::2]:1/main");
    let addresses: Vec<_> = watched
        .sentinels
        .iter()
        .map(|client| client.get_connection_info().addr().clone())
        .collect();
    let expected = [("fd00::1", 26379), ("fd00::2", 1)];
    assert_eq!(
        addresses,
        expected.map(|(host, port)| ConnectionAddr::Tcp(host.into(), port))
    );
}

#[test]
fn sentinels_and_servers_have_their_own_credentials_which_may_be_encoded() {
    let watched =
        sentinels("rediss+sentinel://us%40er:p%2Fw@h/ma%20in/3?sentinelUsername=s%26u&sentinelPassword=%3F");
    assert_eq!(watched.name, "ma in");
    let client = watched.data.client("data", 6379).unwrap();
    let info = client.get_connection_info();
    assert!(matches!(info.addr(), ConnectionAddr::TcpTls { host, port: 6379, .. } if host == "data"));
    let data = info.redis_settings();
    assert_eq!(
        (data.username(), data.password(), data.db()),
        (Some("us@er"), Some("p/w"), 3)
    );
    let sentinel = watched.sentinels[0].get_connection_info();
    assert!(matches!(sentinel.addr(), ConnectionAddr::TcpTls { host, port: 26379, .. } if host == "h"));
    let own = sentinel.redis_settings();
    assert_eq!(
        (own.username(), own.password(), own.db()),
        (Some("s&u"), Some("?"), 0)
    );
}

#[test]
fn a_bad_url_is_refused_with_a_remedy_and_not_repeated() {
    for (url, remedy) in [
        ("redis+sentinel://u:s3cret@h", "redis+sentinel://["),
        ("redis+sentinel://u:s3cret@h/", "does not name the primary"),
        ("redis+sentinel://u:s3cret@/main", "redis+sentinel://["),
        ("redis+sentinel://u:s3cret@h,/main", "redis+sentinel://["),
        ("redis+sentinel://u:s3cret@h:port/main", "redis+sentinel://["),
        ("redis+sentinel://u:s3cret@h:99999/main", "redis+sentinel://["),
        ("redis+sentinel://u:s3cret@[fd00::1/main", "redis+sentinel://["),
        ("redis+sentinel://u:s3cret@h/main/x", "not a number"),
        (
            "redis+sentinel://u:s3cret@h/main?sentinelPasword=s3cret",
            "unknown parameter",
        ),
        ("redis+sentinel://u:s3cret@h/main?s3cret", "redis+sentinel://["),
        (
            "redis+sentinel://h/main?sentinelUsername=s3cret",
            "sentinelPassword",
        ),
        ("redis+sentinel://u:s3cret%ff@h/main", "percent-encoded"),
        ("redis://u:s3cret@a,b/main", "redis://["),
        ("redis+cluster://u:s3cret@/", "redis+cluster://["),
        ("redis+cluster://u:s3cret@h,", "redis+cluster://["),
        ("redis+cluster://u:s3cret@h:port", "redis+cluster://["),
        ("redis+cluster://u:s3cret%ff@h", "percent-encoded"),
        ("redis+cluster://u:s3cret@h/1", "one database"),
        (
            "redis+cluster://u:s3cret@h?sentinelPassword=s3cret",
            "unknown parameter",
        ),
    ] {
        let error = target(url, &OpenOptions::default())
            .err()
            .map(|error| error.to_string());
        let error = error.unwrap_or_default();
        assert!(
            error.contains(remedy) && !error.contains("s3cret"),
            "{url}: {error}"
        );
    }
}

#[test]
fn other_nodes_of_a_cluster_are_told_from_another_password() {
    let known = parse("redis+cluster://u:a@one,two:6379");
    for (url, same) in [
        ("redis+cluster://u:b@two,one/", true),
        ("redis+cluster://v:b@one,two/0", true),
        ("redis+cluster://one", false),
        ("redis+cluster://one,two:1", false),
        ("rediss+cluster://one,two", false),
        ("redis+cluster://one,two?protocol=resp3", false),
        ("redis://one", false),
    ] {
        assert_eq!(is_same_store(&known, &parse(url)), same, "{url}");
    }
}
