import stopServers from '../../tools/jest/global-teardown';
import { takeTable } from './table';

export default async function globalTeardown(): Promise<void> {
  process.stdout.write(takeTable());
  await stopServers();
}
