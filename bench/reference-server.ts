/**
 * The reference: a bare TCP server that decodes MQTT publishes with `mqtt-packet` and acknowledges them, and does
 * nothing else: no check, no twin, no disk. Prints its port.
 */
import { createServer } from "node:net";
import { generate, parser } from "mqtt-packet";

const connack = generate({ cmd: "connack", returnCode: 0, sessionPresent: false });
const server = createServer({ noDelay: true }, (socket) => {
  const packets = parser({ protocolVersion: 4 });
  let answers: Buffer[] = [];
  packets.on("packet", (packet) => {
    if (packet.cmd === "connect") answers.push(connack);
    else if (packet.cmd === "publish" && packet.qos === 1)
      answers.push(generate({ cmd: "puback", messageId: packet.messageId! }));
  });
  socket.on("data", (chunk) => {
    packets.parse(chunk);
    if (answers.length === 0) return;
    socket.write(answers.length === 1 ? answers[0]! : Buffer.concat(answers));
    answers = [];
  });
  socket.on("error", () => {});
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.stdout.write(`${typeof address === "object" ? address?.port : ""}\n`);
});
