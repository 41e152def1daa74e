/**
 * Streams that take time: cut at one moment, applied at a later one, in parts if the receiver's limits are small, as a
 * daemon does with stages on its disk. What lies on a node's disk outlives its process; a stream under way does not.
 */
import { HOPELESS } from '../../src/daemon/database/apply-queue.js';
import { SqlsyncError } from '../../src/errors.js';
import type { Stage } from '../../src/replication/stage.js';
import { type EngineNode, stageOf } from './engine-node.js';
import type { Random } from './seeded-random.js';

interface Stream {
  readonly to: EngineNode;
  readonly stage: Stage;
}

export class SlowStreams {
  private underWay: Stream[] = [];
  /** Half applied stages, by the node whose they are. */
  private readonly onDisk = new Map<EngineNode, Stage>();

  constructor(private readonly random: Random) {}

  /** The sender cuts the stream now; `arrive` brings it. */
  send(to: EngineNode, from: EngineNode): Stage {
    const stage = stageOf(from, to.hello());
    this.underWay.push({ to, stage });
    return stage;
  }

  /** One of the streams is there, or nothing is under way. Throws what the engine refuses it with. */
  arrive(): void {
    const [stream] = this.underWay.splice(this.random.int(this.underWay.length), 1);
    if (stream !== undefined) this.apply(stream.to, stream.stage, Number.POSITIVE_INFINITY);
  }

  /** Goes on with the stage that the node has left half applied, or gives it up. */
  resume(node: EngineNode): void {
    const stage = this.onDisk.get(node);
    if (stage === undefined) return;
    try {
      this.apply(node, stage, Number.POSITIVE_INFINITY);
    } catch (error) {
      if (!(error instanceof SqlsyncError) || !HOPELESS.includes(error.code)) throw error;
      node.replica.abandonStage(stage.id);
      this.onDisk.delete(node);
    }
  }

  /** Applies at most so many parts; what is half applied then lies on the node's disk. */
  apply(to: EngineNode, stage: Stage, partsMax: number): void {
    const application = to.replica.beginApply(stage);
    let isDone = false;
    try {
      for (let parts = 0; parts < partsMax && !isDone; parts += 1) isDone = application.step().done;
    } finally {
      to.replica.endApply(application);
      if (to.replica.catchUp?.stageId === stage.id) this.onDisk.set(to, stage);
      else if ((to.replica.catchUp?.stageId ?? null) === null) this.onDisk.delete(to);
    }
  }

  /** The node's process has ended. */
  forgetStreams(to: EngineNode): void {
    this.underWay = this.underWay.filter((stream) => stream.to !== to);
  }

  /** Another file has taken the place of the node's: its stages are of no use. */
  forgetStages(to: EngineNode): void {
    this.forgetStreams(to);
    this.onDisk.delete(to);
  }

  /** Is a stage of this node half applied? */
  isHalf(node: EngineNode): boolean {
    return this.onDisk.has(node);
  }
}
