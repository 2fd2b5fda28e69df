/** The part of aws-iot-device-sdk 2.2 (which brings no types) that the tests use. */
declare module "aws-iot-device-sdk" {
  import type { EventEmitter } from "node:events";

  export interface ThingShadow extends EventEmitter {
    register(thing: string, options: object, callback: (error: unknown, failed: unknown) => void): void;
    /** These give the operation's client token, or null while another one is under way. */
    get(thing: string): string | null;
    update(thing: string, body: { state: object }): string | null;
    delete(thing: string): string | null;
    end(force: boolean, callback: () => void): void;
  }

  const sdk: { thingShadow(options: object): ThingShadow };
  export default sdk;
}
