# What the containers of the managed Redis run: `sh run.sh server`, and `sentinel`, `alive PORT`, `ready` and `stop`.
#
# Each pod has a server and a sentinel on one volume. The sentinels alone decide which server is the primary: a server asks
# them before it starts. Three rules keep every acknowledged lead, which is on the disk of the primary and of some replicas:
# * A server that has restarted, or does not follow a primary that is alive, is not chosen (priority 0) until it has all
#   that the primary has.
# * A server with an empty volume does not become the primary while others have leads.
# * Nothing on a volume is read before the process that wrote it has ended.
#
# Servers and sentinels speak TLS only, with one certificate, and believe whoever has one of the same authority.

FILES=/etc/leadgate-redis
STATE=/data/sentinel.conf
# Exists while the server is being ended for good.
ENDING=/data/ending
NAME=leadgate
# How long sentinels wait until a primary that does not answer is lost.
LOST_AFTER_MS=2000
# How long a server that ends tries to hand over, in seconds. Kubernetes ends it after terminationGracePeriodSeconds.
HAND_OVER_SECONDS=40
# How often sentinels read the priority of a replica, in seconds.
SENTINEL_INFO_SECONDS=10

host() { echo "leadgate-redis-$1.leadgate-redis-peers"; }
ORDINAL=${POD##*-}
ME=$(host "$ORDINAL")
REPLICAS=$(cat "$FILES/replicas")

# The password is read from a file: arguments can be read by everybody on the node.
password() { read -r _ password <"$FILES/redis.conf" && echo "$password"; }
REDISCLI_AUTH=$(password)
export REDISCLI_AUTH

say() { echo "leadgate: $*" >&2; }

# Waits until no other process has the lock of this name. This process has it then, and all that it becomes or starts.
# A pod that is deleted by force goes on for seconds beside the one that replaces it, on the same volume. A server that reads
# the volume then lacks what the former one acknowledges until it ends. Where nothing can be locked, not starting loses nothing.
lock() {
  tries=0
  until error=$( (: >>"/data/$1.lock") 2>&1) && exec 9>>"/data/$1.lock" && error=$(flock -n 9 2>&1); do
    if [ $((tries % 10)) = 0 ]; then say "waiting for the lock /data/$1.lock: ${error:-the former process has not ended}"; fi
    tries=$((tries + 1))
    sleep 1
  done
}

call() {
  # What listens on this address is the pod's own, also while its certificate and the authorities in the file change.
  if [ "$1" = 127.0.0.1 ]; then trust=--insecure; else trust="--cacert $FILES/ca.crt"; fi
  # shellcheck disable=SC2086
  timeout 3 redis-cli --tls $trust -h "$@" 2>/dev/null
}
server() { call "$1" -p 6379; }
asked() { call "$(host "$1")" -p 26379 "$2" "$3" "$NAME"; }

# A field of `INFO`, without the carriage return.
field() {
  while IFS=: read -r key value; do
    if [ "$key" = "$1" ]; then echo "${value%?}"; fi
  done
}

# A field of `SENTINEL MASTER`, which alternates names and values.
value_of() {
  while read -r key && read -r value; do
    if [ "$key" = "$1" ]; then echo "$value"; fi
  done
}

# Asks the sentinels but the one of this number. Sets `answers`, `failover` if one is being made, and of the newest answer
# `epoch` and `primary`.
ask_sentinels() {
  REPLICAS=$(cat "$FILES/replicas")
  answers=0 epoch=-1 primary='' failover='' n=0
  while [ "$n" -lt "$REPLICAS" ]; do
    answer=$([ "$n" = "$1" ] || asked "$n" SENTINEL MASTER)
    its_epoch=$(echo "$answer" | value_of config-epoch)
    if [ -n "$its_epoch" ]; then
      answers=$((answers + 1))
      case $(echo "$answer" | value_of flags) in *failover*) failover=yes ;; esac
      if [ "$its_epoch" -gt "$epoch" ]; then
        epoch=$its_epoch
        primary=$(echo "$answer" | value_of ip)
      fi
    fi
    n=$((n + 1))
  done
}

# Whether this server has leads, or no other server has any; never beside a primary that runs.
may_be_primary() {
  n=0
  while [ "$n" -lt "$REPLICAS" ]; do
    if [ "$n" != "$ORDINAL" ] && [ "$(echo 'INFO replication' | server "$(host "$n")" | field role)" = master ]; then
      return 1
    fi
    n=$((n + 1))
  done
  if [ -d /data/appendonlydir ]; then return 0; fi
  n=0
  while [ "$n" -lt "$REPLICAS" ]; do
    if [ "$n" != "$ORDINAL" ] && [ "$(echo DBSIZE | server "$(host "$n")")" != 0 ]; then return 1; fi
    n=$((n + 1))
  done
}

# Waits until it is known which server is the primary. That it is this one, all sentinels have to say, or a majority for
# half a minute.
find_primary() {
  tries=0
  while :; do
    ask_sentinels none
    if [ $((answers * 2)) -gt "$REPLICAS" ]; then
      if [ "$primary" != "$ME" ]; then return; fi
      if [ -z "$failover" ] && { [ "$answers" = "$REPLICAS" ] || [ "$tries" -ge 30 ]; } && may_be_primary; then
        return
      fi
    fi
    if [ $((tries % 10)) = 9 ]; then
      say "waiting to know the primary: $answers of $REPLICAS sentinels answer, and name ${primary:-none}"
    fi
    tries=$((tries + 1))
    sleep 1
  done
}

run_server() {
  # Nothing runs yet that would have to end in order.
  trap 'exit 0' TERM INT
  lock server
  rm -f "$ENDING"
  find_primary
  trap - TERM INT
  say "the primary is $primary"
  if [ "$primary" != "$ME" ]; then set -- "$@" --replicaof "$primary" 6379; fi
  exec redis-server "$FILES/redis.conf" --dir /data --replica-announce-ip "$ME" --replica-priority 0 \
    --repl-diskless-sync-delay 1 --port 0 --tls-port 6379 --tls-replication yes --tls-auth-clients no \
    --tls-cert-file "$FILES/tls.crt" --tls-key-file "$FILES/tls.key" --tls-ca-cert-file "$FILES/ca.crt" "$@"
}

# A replica may be chosen while it follows the primary, and when the primary is lost; not while the primary is alive and it
# does not follow.
keep_priority() {
  info=$(echo 'INFO replication' | server 127.0.0.1)
  if [ "$(echo "$info" | field role)" != slave ] || [ -e "$ENDING" ]; then return; fi
  if [ "$(echo "$info" | field master_link_status)" = up ]; then
    priority=100
  elif [ -n "$(echo PING | server "$(echo "$info" | field master_host)")" ]; then
    priority=0
  else
    return
  fi
  if [ "$(echo "$info" | field slave_priority)" != "$priority" ]; then
    echo "CONFIG SET replica-priority $priority" | server 127.0.0.1 >/dev/null
  fi
}

# What a sentinel remembers of itself and of the others, without what is written anew.
remembered() {
  grep -E "^sentinel (myid|(config|leader)-epoch|current-epoch|known-)" "$STATE" 2>/dev/null
}

# Writes the configuration of the sentinel: whom it monitors, then what it remembers.
configure_sentinel() {
  own_primary='' own_epoch=-1
  while read -r word key name value _; do
    case "$word $key $name" in
      "sentinel monitor $NAME") own_primary=$value ;;
      "sentinel config-epoch $NAME") own_epoch=$value ;;
    esac
  done 2>/dev/null <"$STATE"
  ask_sentinels "$ORDINAL"
  memory=$(remembered)
  if [ "$epoch" -gt "$own_epoch" ]; then
    own_primary=$primary
    memory=$(echo "$memory" | grep -E '^sentinel (myid|current-epoch)')
  fi
  # The first server is the primary of a new queue. What a full volume does not take must not replace what there is.
  if cat >"$STATE.new" <<END && sync "$STATE.new"; then
port 0
tls-port 26379
tls-replication yes
tls-auth-clients no
tls-cert-file $FILES/tls.crt
tls-key-file $FILES/tls.key
tls-ca-cert-file $FILES/ca.crt
dir /data
requirepass $REDISCLI_AUTH
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel announce-ip $ME
sentinel announce-port 26379
sentinel sentinel-pass $REDISCLI_AUTH
sentinel monitor $NAME ${own_primary:-$(host 0)} 6379 2
sentinel auth-pass $NAME $REDISCLI_AUTH
sentinel down-after-milliseconds $NAME $LOST_AFTER_MS
sentinel failover-timeout $NAME 5000
sentinel parallel-syncs $NAME 2
$memory
END
    mv "$STATE.new" "$STATE"
  else
    say "the configuration of the sentinel cannot be written: see whether the volume is full"
    [ -s "$STATE" ] || exit 1
  fi
}

certificates() { cat "$FILES/ca.crt" "$FILES/tls.crt"; }

# Has the server read its certificate and the authorities again: connections that stand are left alone.
take_certificates() {
  echo "CONFIG SET tls-cert-file $FILES/tls.crt tls-key-file $FILES/tls.key tls-ca-cert-file $FILES/ca.crt" |
    server 127.0.0.1 | grep -q '^OK'
}

# Runs the sentinel, and starts it again with a changed password or certificate, which the server takes first.
run_sentinel() {
  umask 077
  trap 'exit 0' TERM INT
  lock sentinel
  trap 'kill "$child" 2>/dev/null; wait "$child"; exit 0' TERM INT
  taken=''
  while :; do
    shown=$(certificates)
    configure_sentinel
    redis-server "$STATE" --sentinel &
    child=$!
    # While the file is being replaced there is no password.
    while now=$(password) || :; [ -z "$now" ] || [ "$now" = "$REDISCLI_AUTH" ]; do
      if ! kill -0 "$child" 2>/dev/null; then exit 1; fi
      current=$(certificates)
      if [ "$current" != "$taken" ] && take_certificates; then
        taken=$current
        if [ "$current" != "$shown" ]; then
          say "the certificate has changed"
          kill "$child"
          wait "$child"
          continue 2
        fi
      fi
      keep_priority
      sleep 1
    done
    say "the password has changed"
    until printf 'CONFIG SET masterauth %s requirepass %s\n' "$now" "$now" | server 127.0.0.1 | grep -q '^OK'; do
      # A server that has started since then has it, or one that is newer still.
      if echo PING | REDISCLI_AUTH=$now server 127.0.0.1 | grep -q '^PONG'; then break; fi
      if ! kill -0 "$child" 2>/dev/null; then exit 1; fi
      sleep 1
      newest=$(password) && [ -n "$newest" ] && now=$newest
    done
    REDISCLI_AUTH=$now
    kill "$child"
    wait "$child"
  done
}

# Something answers, whatever it says.
is_alive() { [ -n "$(call 127.0.0.1 -p "$1" PING)" ]; }

# A server is ready when it has read its data, and has what the primary has.
is_ready() {
  info=$(echo INFO | server 127.0.0.1)
  [ "$(echo "$info" | field loading)" = 0 ] || return 1
  [ "$(echo "$info" | field role)" = master ] || [ "$(echo "$info" | field master_link_status)" = up ]
}

# Whether all replicas have what the primary had at this offset.
in_step() {
  connected=0
  while IFS=:, read -r key _ _ state offset _; do
    case $key in
      slave[0-9]*)
        connected=$((connected + 1))
        if [ "$state" != state=online ] || [ "${offset#offset=}" -lt "$1" ]; then return 1; fi
        ;;
    esac
  done
  [ "$connected" -gt 0 ]
}

# Hands the role of the primary over before it ends. No lead is accepted from the moment when the others have all
# leads until one of them is the primary, so none is lost with the handover.
hand_over() {
  # Nobody chooses a server that ends.
  (: >"$ENDING") || say "the volume is full"
  echo 'CONFIG SET replica-priority 0' | server 127.0.0.1 >/dev/null
  begun=$(date +%s)
  while [ $(($(date +%s) - begun)) -lt "$HAND_OVER_SECONDS" ]; do
    info=$(echo 'INFO replication' | server 127.0.0.1)
    if [ "$(echo "$info" | field role)" != master ] || [ "$(echo "$info" | field connected_slaves)" = 0 ]; then
      return
    fi
    # Others may end as well; by then all sentinels know.
    if [ $(($(date +%s) - begun)) -gt "$SENTINEL_INFO_SECONDS" ] && move_role; then
      say "the primary is $primary now"
      return
    fi
    sleep 1
  done
  say "no other server could take over"
}

move_role() {
  tries=0
  while [ "$tries" -lt 12 ]; do
    # Each try may take some seconds, and no lead may be accepted in the middle of one.
    echo 'CLIENT PAUSE 15000 WRITE' | server 127.0.0.1 >/dev/null
    offset=$(echo 'INFO replication' | server 127.0.0.1 | field master_repl_offset)
    if echo 'INFO replication' | server 127.0.0.1 | in_step "${offset:-0}" && promoted; then
      printf 'REPLICAOF %s 6379\nCLIENT UNPAUSE\nCLIENT KILL TYPE normal\n' "$primary" | server 127.0.0.1 >/dev/null
      return 0
    fi
    tries=$((tries + 1))
    sleep 0.5
  done
  echo 'CLIENT UNPAUSE' | server 127.0.0.1 >/dev/null
  return 1
}

# Makes another sentinel choose another primary, and waits until it has.
promoted() {
  n=0
  while [ "$n" -lt "$REPLICAS" ]; do
    if [ "$n" != "$ORDINAL" ] && asked "$n" SENTINEL FAILOVER | grep -q -e '^OK' -e '^INPROG'; then
      waited=0
      while [ "$waited" -lt 20 ]; do
        ask_sentinels none
        if [ -n "$primary" ] && [ "$primary" != "$ME" ]; then return 0; fi
        waited=$((waited + 1))
        sleep 0.3
      done
    fi
    n=$((n + 1))
  done
  return 1
}

what=$1
shift
case $what in
  server) run_server "$@" ;;
  sentinel) run_sentinel ;;
  alive) is_alive "$1" ;;
  ready) is_ready ;;
  stop) hand_over ;;
esac
