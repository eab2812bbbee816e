/** The lab of routed subnets on every stage. */
import { holdsOnEveryStage } from './stories.js'

holdsOnEveryStage('subnets', 29)
