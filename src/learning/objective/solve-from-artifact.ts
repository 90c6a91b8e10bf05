import type { Method, OperatingPoint, TrainedRouter } from '../predictor.ts'
import type { Target } from './solve.ts'

/**
 * A first λ, before any call was made: from the operating points measured when the artifact was trained, λ rising. Only
 * a start: prices and prompts of one's own traffic may differ. Undefined: the artifact has no points for the method.
 */
export function initialLambda(target: Target, artifact: TrainedRouter, method: Method): number | undefined {
  const points = artifact.operatingPoints.filter(point => point.method === method)
  const last = points[points.length - 1]
  if (last === undefined) return undefined
  const place = target.kind === 'max_cost_per_1k' ? -1 : artifact.models.findIndex(({ id }) => id === target.model)
  const meets = ({ cost, quality, shares }: OperatingPoint): boolean => {
    switch (target.kind) {
      case 'max_cost_per_1k':
        return cost * 1000 <= target.dollars
      case 'max_strong_share':
        return (shares[place] ?? 0) <= target.share
      case 'min_quality_of':
        return quality >= target.share * (artifact.models[place]?.meanQuality ?? 0)
    }
  }
  if (target.kind === 'min_quality_of') return (points.findLast(meets) ?? points[0])?.lambda
  return (points.find(meets) ?? last).lambda
}
