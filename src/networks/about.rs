//! What a network's file says of itself in words: enough to evaluate it with nothing but the file.
//!
//! The text is for people and for other programs' authors; this program reads the numbers beside it.

use crate::map::NetworkKind;

/// Units and the sense of coordinates, the same in every file.
const UNITS: &str = "kpc, km/s, km/s kpc, (km/s)^2, radians; x from the Sun to the Galactic centre, y in the direction of \
    rotation, z to the north Galactic pole; J_phi = L_z = x v_y - y v_x; angles and actions in the order phi, z, r";

/// The toy whose angles and actions are corrected.
const TOY: &str = "isochrone Phi = -GM/(b + sqrt(b^2 + r^2)), GM = toy.gm in kpc (km/s)^2, b = toy.scale in kpc; J_z = L - |L_z|, \
    J_r = GM/sqrt(-2E) - (L + sqrt(L^2 + 4 GM b))/2; theta_r = 0 at pericentre, theta_z = 0 at the ascending node of an orbit \
    at its pericentre's phase, theta_phi as in Binney & Tremaine (2008), section 3.5.2";

/// What a stretch of radii in front of the toy is.
pub(crate) const STRETCH: &str = "the toy is given (x~, v~) = (k x, (v + x (x.v)/r^2 (1/g - 1))/k) in place of (x, v); ln k = a + b t + c t^2 + d t^3 \
    with (a, b, c, d) of the piece number i of `toy.stretch`, t = (ln r - start)/step - i, straight beyond its ends; g = 1 + d ln k/d ln r";

/// What terms of resonances are.
pub(crate) const RESONANCES: &str = "for each of `resonances` of `features` one feature w/sqrt(w^2 + e^2) after the others, and after the other c_k two: \
    s w/(w^2 + e^2)/unit sin(n.theta), and the same with cos (left out where time_reversal); n = order in phi, z, r, e = softening, \
    s = (J_r/T)^(|n_r|/2) (J_z/T)^(|n_z|/2); w = sum of coefficients times u_1^i u_2^j u_3^k, i + j + k <= 6, k fastest, then j, with \
    u = (ln T, sqrt(J_z/T), sqrt(J_r/T)) less the first of `scales`, over the second, no less than -3 and no more than 3";

/// The multilayer perceptron of the smooth networks.
const PERCEPTRON: &str = "o(f): y = (f - centre)/width; for each layer k: y = y W + b with W = parameters.2k (inputs x outputs) and \
    b = parameters.(2k+1), then y = y/(1 + exp(-y)) after all layers but the last";

/// The networks of Ibata et al. (2021).
const PAPER_LAYERS: &str = "dense layers y = x W^T + b; blocks out = A2 relu(A1 relu(in)) + in (biases added), each A applied twice in \
    a row, with rows g v/|v|; section 3 and Fig. 2 of Ibata et al. (2021); without dropout";

/// The features of a toy point, by their order.
const FEATURES: &str = "of (x, v) = toy(theta, J), in units of `length` and `speed` of `features`; H = height, s = 0.05, \
    sat(a) = a/sqrt(1 + a^2), sat2(a) = a^2/(1 + a^2), T = |J_phi| + J_z + J_r (J_z, J_r floored at 1e-6 T), R_s = sqrt(x^2 + y^2 + s^2), \
    p = x.v, q = z v_z: ln r, sat2(p/r), ln(T/(length speed)), J_r/T; [if not time_reversal: sat(p), sat(p/r)]; \
    [if symmetry is not spherical: ln(z^2 + H^2)/2, (if H < s: sqrt(J_z/T), sqrt(J_r/T), ln(z^2 + s^2)/2), sat2(v_z), z^2/r^2, \
    sat(p q), |J_phi|/T, (if not time_reversal: sat(q), (x v_x + y v_y)/R_s)]; [if symmetry is none: x/R_s, y/R_s, z, \
    (if not time_reversal: v_x, v_y, v_z, J_phi/T)]";

/// The features of a position.
const PLACES: &str = "of x, with s the first of the scales: x/sqrt(r^2 + s^2/4) (three), ln(r^2 + (s/50)^2), ln(R^2 + (s/20)^2), \
    ln(z^2 + (s/50)^2)";

/// Keys and texts for the file of a network.
pub(crate) fn about(kind: NetworkKind) -> Vec<(&'static str, String)> {
    let text = |text: &str| text.to_owned();
    let (formula, inputs, outputs) = match kind {
        NetworkKind::Smooth => (
            text(
                "J = J' + dG/dtheta(theta, J'), theta' = theta + dG/dJ'(theta, J') - dG/dJ'(0, J'), (theta, J) of the toy; solve \
                 the first for J'. G = A sum_k c_k o_k, A = 0.1 length speed, c = (p, q, 1) of `features_are`, q left out where \
                 symmetry is spherical, 1 where time_reversal",
            ),
            "x y z in kpc, v_x v_y v_z in km/s",
            "theta' in rad, J' in km/s kpc",
        ),
        NetworkKind::Paper => (
            text(
                "J = J' + dG/dtheta, theta' = theta + dG/dJ', G = atan2(o_1, o_0) + o_2 with o = generating(cos theta, sin theta, J'); \
                 then theta'' = theta' + atan2(u, w), (u, w) = point(cos theta', sin theta'), three each, and \
                 J'' = (d theta''/d theta')^-T J'; actions in units of 4000 km/s kpc; (theta, J) of the toy",
            ),
            "x y z in kpc, v_x v_y v_z in km/s",
            "theta'' in rad, J'' in units of 4000 km/s kpc",
        ),
        NetworkKind::Fourier => (
            text(
                "for each of `streams`, tensors STREAM.*: J' = J - dG/dtheta, G = sum_k a_k sin(n_k.theta), or cos where the fourth of \
                 the modes' numbers is 1; a = amplitudes in rad km/s kpc, n = modes; (theta, J) of the isochrone of `toy` (M_sun, kpc)",
            ),
            "x y z in kpc, v_x v_y v_z in km/s, of a star of one of these streams",
            "J' in km/s kpc",
        ),
        NetworkKind::Inverse => (
            text(
                "form smooth: (x, v) = toy(theta, J) + (20 kpc, 200 km/s) times c B, c = o(f) as 2 x 3 and B the rows x/length, v/speed \
                 and their cross product; form paper: o(cos theta, sin theta, J/4000) = (cos t, sin t, j), (x, v) = toy(t + pi/2, 4000 j)",
            ),
            "theta in rad, J in km/s kpc",
            "x y z in kpc, v_x v_y v_z in km/s",
        ),
        NetworkKind::LinearField => (
            text(
                "Phi = sum_k c_k phi_k, c = coefficients in (km/s)^2; terms.k = (-1, a, b): \
                 phi = -(a + b)/sqrt(R^2 + (a + sqrt(z^2 + b^2))^2); terms.k = (n, s, 0): phi = -s^(l+1) P/(r^2 + s^2)^(l + 1/2), \
                 P = x, y, z, x^2 - y^2, xy, xz, yz, 2z^2 - x^2 - y^2 for n = 0 to 7, l its degree; a = -grad Phi",
            ),
            "x y z in kpc",
            "Phi in (km/s)^2, a in (km/s)^2/kpc",
        ),
        NetworkKind::MlpField => (
            text(
                "Phi = V^2 o(f), V^2 the second of the scales; plus an isochrone of `toy` (M_sun, kpc) where it is there; \
                 o: y = (f - centre)/width, layers y = y W + b with weight.k and bias.k, y/(1 + exp(-y)) after all but the last; a = -grad Phi",
            ),
            "x y z in kpc",
            "Phi in (km/s)^2, a in (km/s)^2/kpc",
        ),
        NetworkKind::FreeField => (
            text(
                "form smooth: a = a_toy + |a_toy| o(f); form paper: a = a_toy + (200 km/s)^2/(20 kpc) o(x/20, a_toy 20/200^2); `units` are \
                 length and speed",
            ),
            "x y z in kpc",
            "a in (km/s)^2/kpc",
        ),
    };
    let features = match kind {
        NetworkKind::Smooth | NetworkKind::Inverse => Some(text(FEATURES)),
        NetworkKind::MlpField => Some(text(PLACES)),
        NetworkKind::FreeField => Some(format!("{PLACES}; and z/sqrt(z^2 + (s/50)^2)")),
        NetworkKind::Paper | NetworkKind::Fourier | NetworkKind::LinearField => None,
    };
    let layers = match kind {
        NetworkKind::Smooth => Some(text(PERCEPTRON)),
        NetworkKind::Paper => Some(text(PAPER_LAYERS)),
        NetworkKind::Inverse | NetworkKind::FreeField => {
            Some(format!("form smooth: {PERCEPTRON}. Form paper: {PAPER_LAYERS}"))
        }
        NetworkKind::Fourier | NetworkKind::LinearField | NetworkKind::MlpField => None,
    };
    let toy = !matches!(kind, NetworkKind::LinearField);
    let region = matches!(kind, NetworkKind::Smooth | NetworkKind::Paper).then(|| {
        text(
            "region: places u of training streams, u = (ln(T)/4, J_phi/(10 T), (J_z/T)^0.2, (J_r/T)^0.2) of the toy's actions in km/s kpc; \
             a star is inside where its distance from the third nearest is at most region_limit",
        )
    });
    [
        ("formula", Some(formula)),
        ("takes", Some(text(inputs))),
        ("gives", Some(text(outputs))),
        ("units_are", Some(text(UNITS))),
        ("features_are", features),
        ("layers_are", layers),
        ("toy_is", toy.then(|| text(TOY))),
        ("region_is", region),
        ("written_by", Some(text("actionfinder"))),
    ]
    .into_iter()
    .filter_map(|(key, text)| Some((key, text?)))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::Weights;

    /// Every file says its formula, what it takes and gives, and its units, in ASCII that any reader shows.
    #[test]
    fn every_file_explains_itself() {
        for kind in NetworkKind::ALL {
            let mut weights = Weights::default();
            kind.write(&mut weights);
            for key in ["formula", "takes", "gives", "units_are", "written_by"] {
                let text = weights.metadata.get(key).map_or("", String::as_str);
                assert!(
                    !text.is_empty() && text.is_ascii() && !text.contains("  "),
                    "{kind}, {key}: {text}"
                );
            }
        }
    }
}
