/** The files of a mosquitto 2.0 that stands in for EMQX, as text: see mosquitto.ts for what it can and cannot do. */
import { pbkdf2Sync, randomBytes } from "node:crypto";
import { userInfo } from "node:os";
import { join } from "node:path";

/** Stands for `$aws/` in subscriptions of our own: `$share/doppel/${SHARED_AWS_PREFIX}things/+/shadow/#`. */
export const SHARED_AWS_PREFIX = "doppel/aws/";

/** PEM files; clients have to show a certificate that `ca` has signed. */
export type SecureListener = { cert: string; key: string; ca: string };

export type MosquittoLayout = {
  folder: string;
  ports: { device: number; ingress: number; ws: number; secure?: number };
  secure?: SecureListener;
  username: string;
  password: string;
};

/** File name to contents. Keys: mosquitto.conf(5) of 2.0. */
export function mosquittoConfig(layout: MosquittoLayout): Record<string, string> {
  const { folder, ports, username, password, secure } = layout;
  return {
    // A device by its user name, else by its client id; an app by the name "app". But AWS's SDKs add words of their own to
    // the name, and only whole names are compared here: so everybody may do what such an app does. EMQX knows them apart.
    // "#" means no topic that begins with $.
    "devices.acl": [
      "user app",
      "topic deny presence/#",
      "topic readwrite #",
      ...["%u", "%c"].map((id) => `pattern readwrite devices/${id}/#`),
      "pattern read devices/#",
      "pattern readwrite $aws/things/#",
      "",
    ].join("\n"),
    "ingress.acl": [`user ${username}`, "topic readwrite #", "topic readwrite $aws/#", "topic read $SYS/#", ""].join(
      "\n",
    ),
    passwords: hashedPassword(username, password),
    "mosquitto.conf": `# Written at every start by Doppel.
per_listener_settings true
user ${userInfo().username}
persistence false
allow_zero_length_clientid true
# No limit: a message that was acknowledged to a device is not dropped before our ingress has it.
max_inflight_messages 1000
max_queued_messages 0
max_queued_bytes 0
message_size_limit 262144
set_tcp_nodelay true
sys_interval 0

# mosquitto-presence.ts reads these lines as messages.
connection_messages true
log_timestamp false
log_dest topic
log_dest stderr
log_type error
log_type warning
log_type notice
log_type information
log_type subscribe

listener ${ports.device} 127.0.0.1
allow_anonymous true
acl_file ${join(folder, "devices.acl")}

listener ${ports.ws} 127.0.0.1
protocol websockets
# Without it, a WebSocket listener takes every address.
socket_domain ipv4
allow_anonymous true
acl_file ${join(folder, "devices.acl")}

listener ${ports.ingress} 127.0.0.1
allow_anonymous false
password_file ${join(folder, "passwords")}
acl_file ${join(folder, "ingress.acl")}
${secure === undefined ? "" : secureListener(ports.secure!, folder, secure)}
# To itself: shared subscriptions see no topic that begins with $.
connection doppel-aws
address 127.0.0.1:${ports.ingress}
remote_clientid doppel-bridge
local_clientid doppel-bridge-local
remote_username ${username}
remote_password ${password}
bridge_protocol_version mqttv50
try_private false
notifications false
cleansession true
restart_timeout 1
topic things/# out 1 $aws/ ${SHARED_AWS_PREFIX}
`,
  };
}

function secureListener(port: number, folder: string, { cert, key, ca }: SecureListener): string {
  return `
listener ${port} 127.0.0.1
allow_anonymous false
password_file ${join(folder, "passwords")}
acl_file ${join(folder, "ingress.acl")}
certfile ${cert}
keyfile ${key}
cafile ${ca}
require_certificate true
`;
}

/** mosquitto_passwd's `$7$`: PBKDF2 with SHA-512, 64 bytes. */
function hashedPassword(username: string, password: string): string {
  const rounds = 101;
  const salt = randomBytes(12);
  const hash = pbkdf2Sync(password, salt, rounds, 64, "sha512");
  return `${username}:$7$${rounds}$${salt.toString("base64")}$${hash.toString("base64")}\n`;
}
