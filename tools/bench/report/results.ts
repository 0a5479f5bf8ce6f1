import type { PageTime } from '../measure/console';
import type { Intake } from '../measure/intake';
import type { Latency } from '../measure/latency';
import type { Memory } from '../measure/memory';
import type { NotifyCost } from '../measure/notify';
import type { Profile } from '../measure/profile';
import type { Size } from '../measure/sizes';
import type { Slots } from '../measure/slots';
import type { Growth, Processes, Throughput } from '../measure/throughput';

/** Everything that was measured, as written to JSON. */
export interface Results {
  configuration: Record<string, string>;
  /** The baseline's best concurrency, and events a second at each that was tried. */
  baseline?: { concurrency: number; grid: Record<number, number> };
  throughput?: Throughput[];
  latency?: Latency[];
  processes?: Processes[];
  slots?: Slots[];
  intake?: Intake[];
  notify?: NotifyCost[];
  console?: PageTime[];
  growth?: Growth[];
  memory?: Memory;
  sizes?: Size[];
  profile?: Profile[];
}
