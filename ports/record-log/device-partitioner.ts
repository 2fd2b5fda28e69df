import kafkajs, { type PartitionerArgs } from "kafkajs";

/**
 * The partition by murmur2 of the device id, as every Kafka client chooses it; `onChosen` hears "topic/partition" for each
 * message. A device's records come one after another, and kafkajs's murmur2 is slow: it is asked once for a run of them.
 */
export function devicePartitioner(onChosen: (place: string) => void): (args: PartitionerArgs) => number {
  const byKey = kafkajs.Partitioners.DefaultPartitioner();
  let last = { topic: "", key: "", partitions: 0, partition: 0, place: "" };
  return (args) => {
    const { topic, message, partitionMetadata } = args;
    const key = String(message.key);
    if (key !== last.key || topic !== last.topic || partitionMetadata.length !== last.partitions) {
      const partition = byKey(args);
      last = { topic, key, partitions: partitionMetadata.length, partition, place: `${topic}/${partition}` };
    }
    onChosen(last.place);
    return last.partition;
  };
}
